//! Names of calls, by which the server's and the plugin's logs are matched.

use crate::failure::Failure;

/// A random UUID, by which the server's and the plugin's logs are matched.
pub(crate) fn uid() -> Result<String, Failure> {
    let bits = u128::from_be_bytes(crate::aes::random()?);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}
