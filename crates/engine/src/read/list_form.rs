//! The forms of lists: of which view of the objects, and in which encoding.

use crate::read::list_meta::META_VERSION;
use crate::read::table::TableStyle;
use crate::resource::ServedResource;
use pintle_object::Format;
use pintle_schema::encode::splice::Part;

/// The view of the objects.
#[derive(Clone, Copy, Debug)]
pub enum ListView {
    Object,
    Table(TableStyle),
    Partial,
}

/// The form of a list.
#[derive(Clone, Copy, Debug)]
pub struct ListForm {
    pub format: Format,
    pub view: ListView,
    /// `v1` or `v1beta1` of meta.k8s.io, for a view that is not the object.
    pub version: &'static str,
}

impl ListForm {
    /// The part of each object.
    pub fn part(&self) -> Part {
        if matches!(self.view, ListView::Partial) { Part::Metadata } else { Part::Whole }
    }

    /// apiVersion and kind of the list.
    pub fn list_kind(&self, served: &ServedResource) -> (String, String) {
        if matches!(self.view, ListView::Partial) {
            return (self.meta_version(), String::from("PartialObjectMetadataList"));
        }
        (served.api_version(), served.resource.list_kind.to_string())
    }

    /// The apiVersion of a view that is not the object.
    pub fn meta_version(&self) -> String {
        format!("meta.k8s.io/{}", self.version)
    }

    /// Kinds of meta in the requested version: `v1beta1` differs from `v1` in its name alone.
    pub fn in_version(&self, document: Vec<u8>) -> Vec<u8> {
        let version = self.meta_version();
        if version == META_VERSION {
            return document;
        }
        let named = |version: &str| format!("\"apiVersion\":\"{version}\"");
        let text = String::from_utf8_lossy(&document);
        text.replace(&named(META_VERSION), &named(&version)).into_bytes()
    }
}
