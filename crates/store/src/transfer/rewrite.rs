//! The values of a copy: as they are, or encrypted anew.

use super::place::StorePlace;
use crate::backend::{BackendError, Row};
use crate::stored_value::StoredValues;
use crate::transformer::{ENCRYPTED_PREFIX, Transformer, ValueContext};
use std::sync::Arc;

/// Brings the values of one place to those of another.
pub(super) struct Rewrite<'a> {
    from: &'a StorePlace,
    to: &'a StorePlace,
    /// None to leave values as they are.
    values: Option<StoredValues>,
}

impl<'a> Rewrite<'a> {
    pub fn new(
        from: &'a StorePlace,
        to: &'a StorePlace,
        transformer: Option<Arc<dyn Transformer>>,
    ) -> Rewrite<'a> {
        Rewrite { from, to, values: transformer.map(|transformer| StoredValues::new(Some(transformer))) }
    }

    pub async fn row(&self, row: Row) -> Result<Row, BackendError> {
        let Some(stored) = row.value.clone() else { return Ok(row) };
        let (from, to) = (self.from.authenticated(&row.key), self.to.authenticated(&row.key));
        let Some(values) = &self.values else {
            if from != to && stored.starts_with(ENCRYPTED_PREFIX) {
                return Err(BackendError(format!(
                    "the value at {} is encrypted for this key, which changes: \
                     --encryption-provider-config is needed to encrypt it anew",
                    row.key
                )));
            }
            return Ok(row);
        };
        let read = values.read(ValueContext { key: &row.key, authenticated: &from }, stored).await;
        if let Some(error) = read.error() {
            return Err(BackendError(format!("the value at {} cannot be decrypted: {error}", row.key)));
        }
        let context = ValueContext { key: &row.key, authenticated: &to };
        let written = values.write(context, read.value).await;
        let written = written.map_err(|error| {
            BackendError(format!("the value at {} cannot be encrypted: {error}", row.key))
        })?;
        Ok(Row { value: Some(written.value), ..row })
    }
}
