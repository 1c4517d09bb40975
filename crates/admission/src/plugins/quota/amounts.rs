//! Amounts of resources by name.

use pintle_object::quantity::Quantity;
use std::collections::BTreeMap;

/// Amounts by the resource names of quotas: `pods`, `requests.cpu`, `count/deployments.apps`.
pub(crate) type Amounts = BTreeMap<String, Quantity>;
