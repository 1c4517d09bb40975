//! Unification: matches types of arguments with those of parameters, and finds the type parameters on the way.

use crate::types::Type;

/// The types of parameters so far, by their numbers.
#[derive(Default)]
pub struct Substitutions {
    found: Vec<Option<Type>>,
    /// Earlier types of parameters, to go back to.
    undo: Vec<(usize, Option<Type>)>,
}

impl Substitutions {
    pub fn fresh(&mut self) -> Type {
        self.found.push(None);
        Type::Param(self.found.len() - 1)
    }

    fn of(&self, param: usize) -> Option<&Type> {
        self.found.get(param)?.as_ref()
    }

    fn set(&mut self, param: usize, to: &Type) {
        if let Some(slot) = self.found.get_mut(param) {
            self.undo.push((param, slot.replace(to.clone())));
        }
    }

    /// A type with its known parameters filled in; the rest becomes `dyn` at the end.
    pub fn resolve(&self, ty: &Type, at_end: bool) -> Type {
        match ty {
            Type::Param(param) => match self.of(*param) {
                Some(found) => self.resolve(found, at_end),
                None if at_end => Type::Dyn,
                None => ty.clone(),
            },
            Type::Error if at_end => Type::Error,
            _ => ty.with_parts(&mut |part| self.resolve(part, at_end)),
        }
    }

    /// Whether values of `a` are assignable to `b`; if so, the parameters found are kept.
    pub fn assign(&mut self, a: &Type, b: &Type) -> bool {
        self.all(&[(a, b)])
    }

    pub fn all(&mut self, pairs: &[(&Type, &Type)]) -> bool {
        self.undo.clear();
        let fits = pairs.iter().all(|(a, b)| self.fits(a, b));
        if !fits {
            for (param, before) in std::mem::take(&mut self.undo).into_iter().rev() {
                if let Some(slot) = self.found.get_mut(param) {
                    *slot = before;
                }
            }
        }
        fits
    }

    fn fits(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(param) = b {
            let (fits, has_known) = self.stands_for(a, *param);
            if fits || has_known {
                return fits;
            }
        }
        if let Type::Param(param) = a {
            return self.stands_for(b, *param).0;
        }
        if a.is_loose() || b.is_loose() {
            return true;
        }
        match (a, b) {
            (Type::Null, ty) | (ty, Type::Null) => is_nullable(ty),
            _ if !a.is_alike(b) => false,
            _ => {
                let parts = a.parts().into_iter().zip(b.parts());
                parts.into_iter().all(|(a, b)| match (a, b) {
                    (Some(a), Some(b)) => self.fits(a, b),
                    _ => true,
                })
            }
        }
    }

    /// Whether a type can be a parameter's, and whether the parameter already has one.
    fn stands_for(&mut self, ty: &Type, param: usize) -> (bool, bool) {
        if matches!(ty, Type::Param(same) if *same == param) {
            return (true, true);
        }
        if let Some(known) = self.of(param).cloned() {
            // Where one is looser than the other, the looser one stays.
            let fits = self.fits(ty, &known);
            if fits && !self.occurs(param, ty) {
                let loosest = self.looser(ty, &known);
                self.set(param, &loosest);
            }
            return (fits, true);
        }
        if self.occurs(param, ty) {
            return (false, false);
        }
        self.set(param, ty);
        (true, false)
    }

    fn looser(&self, a: &Type, b: &Type) -> Type {
        let is_looser = |a: &Type, b: &Type| -> bool { self.is_looser(a, b) };
        if is_looser(a, b) { a.clone() } else { b.clone() }
    }

    /// Whether `a` takes all that `b` takes, or they are the same.
    fn is_looser(&self, a: &Type, b: &Type) -> bool {
        let (a, b) = (self.resolve(a, false), self.resolve(b, false));
        if a.is_loose() || matches!(a, Type::Param(_)) {
            return true;
        }
        if b.is_loose() || matches!(b, Type::Param(_)) {
            return false;
        }
        match (&a, &b) {
            (Type::Null, _) => false,
            (_, Type::Null) => true,
            _ => {
                let parts = a.parts().into_iter().zip(b.parts());
                a.is_alike(&b)
                    && parts.into_iter().all(|(a, b)| match (a, b) {
                        (Some(a), Some(b)) => self.is_looser(a, b),
                        _ => true,
                    })
            }
        }
    }

    fn occurs(&self, param: usize, within: &Type) -> bool {
        match within {
            Type::Param(other) if *other == param => true,
            Type::Param(other) => self.of(*other).is_some_and(|ty| self.occurs(param, ty)),
            _ => within.parts().into_iter().flatten().any(|part| self.occurs(param, part)),
        }
    }
}

const fn is_nullable(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Null | Type::Opaque(_) | Type::Optional(_) | Type::Struct(_) | Type::Timestamp | Type::Duration
    )
}
