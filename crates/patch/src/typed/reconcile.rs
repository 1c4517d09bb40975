//! Sets of fields from before a type became atomic.

use super::atom::{Atom, MapAtom, Ty, atom};
use crate::fields::{Element, FieldNode, FieldSet};
use pintle_schema::model::{Schema, TypeId};

/// Gives owners of fields below a value that is one by now that value; fields unknown to the type are left alone.
///
/// ```text
/// {"f:spec":{"f:selector":{".":{},"f:app":{}}}}   by a type whose selector is atomic: {"f:spec":{"f:selector":{}}}
/// ```
pub(crate) fn reconcile(schema: &Schema, ty: TypeId, set: &mut FieldSet) {
    ReconcileWalk { schema }.below(Ty::Of(ty), set);
}

struct ReconcileWalk<'a> {
    schema: &'a Schema,
}

impl ReconcileWalk<'_> {
    fn below(&self, ty: Ty, set: &mut FieldSet) {
        let atom = atom(self.schema, ty, None);
        for node in set.nodes_mut() {
            if let Some(child) = child(&atom, &node.element) {
                self.node(child, node);
            }
        }
    }

    fn node(&self, ty: Ty, node: &mut FieldNode) {
        if node.children.is_empty() {
            return;
        }
        let is_one_value = match atom(self.schema, ty, None) {
            Atom::Scalar => return,
            Atom::List(list) => list.identity.is_none(),
            Atom::Map(inner) => inner.is_atomic,
        };
        if is_one_value {
            (node.is_member, node.children) = (true, FieldSet::new());
        } else {
            self.below(ty, &mut node.children);
        }
    }
}

/// The type below an element, where the type defines it.
fn child(atom: &Atom<'_>, element: &Element) -> Option<Ty> {
    let ty = match (atom, element) {
        (Atom::Map(inner @ MapAtom { fields, values, .. }), Element::Field(name)) => {
            let (ty, is_declared) = inner.child(name);
            (is_declared || (values.is_some() && fields.is_none())).then_some(ty)?
        }
        (Atom::List(list), Element::Key(_) | Element::Value(_) | Element::Index(_)) => list.item,
        _ => return None,
    };
    (ty != Ty::Deduced).then_some(ty)
}
