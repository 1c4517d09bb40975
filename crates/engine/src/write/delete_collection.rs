//! Deletecollection: deletes the objects that a list with the same options shows.

use crate::engine::Engine;
use crate::read::list::Listing;
use crate::read::selection::Selection;
use crate::request::options::{DeleteOptions, ListOptions};
use crate::request::write_context::WriteContext;
use crate::resource::ObjectRef;
use pintle_object::{Reason, Status};

impl Engine {
    /// Returns the listed objects, as they were before they were deleted.
    pub async fn delete_collection(
        &self,
        target: ObjectRef<'_>,
        options: &DeleteOptions,
        list: &ListOptions,
        selection: &Selection,
        context: &mut WriteContext<'_>,
    ) -> Result<Listing, Status> {
        crate::write::delete::warn_of_orphans(target.served, options, context);
        let listing = self.list(target.served, target.namespace, list, selection).await?;
        // Objects are deleted in the namespace of the request, which must therefore have one.
        if target.served.resource.namespaced && target.namespace.is_empty() && !listing.items.is_empty() {
            return Err(Status::bad_request("Namespace parameter required."));
        }
        for object in &listing.items {
            let attrs = &object.attrs;
            let one = ObjectRef { namespace: &attrs.namespace, name: &attrs.name, ..target };
            match self.delete(one, options, context).await {
                // Another request was quicker: the object is gone, as wanted.
                Err(status) if status.reason != Reason::NotFound => return Err(status),
                _ => {}
            }
        }
        Ok(listing)
    }
}
