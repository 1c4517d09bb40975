//! Quantities: `100m`, `1.5Gi`, `2e3`, by the rules of upstream's `resource.Quantity`.

use std::cmp::Ordering;
use std::fmt;

/// An exact decimal amount, and the family of suffixes it is written with.
///
/// The amount is `mantissa * 10^exponent`: `1.5Gi` is 15 * 2^30 at exponent -1.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    mantissa: i128,
    exponent: i32,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    DecimalSi,
    BinarySi,
    DecimalExponent,
}

/// Why a text is no quantity; prints upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    Format,
    Suffix,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Error::Suffix => "unable to parse quantity's suffix",
        })
    }
}

/// The finest unit: nano. What is finer is rounded up, away from zero.
const EXPONENT_MIN: i32 = -9;
/// Upstream caps amounts of binary units at the largest int64.
const BINARY_MAX: i128 = i64::MAX as i128;
/// Digits beyond these would overflow the mantissa; larger numbers are capped.
const DIGITS_MAX: usize = 27;

impl Quantity {
    pub const ZERO: Quantity = Quantity { mantissa: 0, exponent: 0, format: Format::DecimalSi };

    pub fn from_int(amount: i64) -> Quantity {
        Quantity { mantissa: amount.into(), exponent: 0, format: Format::DecimalSi }.trimmed()
    }

    pub fn parse(text: &str) -> Result<Quantity, Error> {
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or("")),
            Some(b'+') => (false, text.get(1..).unwrap_or("")),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if number.is_empty() || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(Error::Format);
        }
        let (format, base2, base10) = suffix_of(suffix)?;
        let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let mut quantity =
            Quantity { mantissa: digits(whole, fraction), exponent: base10 - fraction.len() as i32, format };
        if fraction.len() > DIGITS_MAX {
            quantity.exponent = base10 - DIGITS_MAX as i32;
        }
        if base2 > 0 {
            quantity.mantissa = quantity.mantissa.saturating_mul(1_i128 << base2);
        }
        let mut quantity = quantity.rounded_up();
        if base2 > 0
            && quantity.cmp(&Quantity { mantissa: BINARY_MAX, exponent: 0, format }) == Ordering::Greater
        {
            quantity = Quantity { mantissa: BINARY_MAX, exponent: 0, format };
        }
        if negative {
            quantity.mantissa = -quantity.mantissa;
        }
        Ok(quantity.trimmed())
    }

    pub fn is_zero(&self) -> bool {
        self.mantissa == 0
    }

    /// -1, 0 or 1.
    pub fn sign(&self) -> i32 {
        self.mantissa.signum() as i32
    }

    /// The amount in whole units, rounded up; saturates at the bounds of int64.
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// The amount in thousandths, rounded up.
    pub fn milli_value(&self) -> i64 {
        self.scaled(-3)
    }

    pub fn is_whole(&self) -> bool {
        self.exponent >= 0
    }

    /// Whether a whole number of thousandths says it all.
    pub fn is_milli(&self) -> bool {
        self.exponent >= -3
    }

    pub fn cmp(&self, other: &Quantity) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        let at =
            |q: &Quantity| power(10, q.exponent - exponent).and_then(|factor| q.mantissa.checked_mul(factor));
        match (at(self), at(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.approximate().total_cmp(&other.approximate()),
        }
    }

    /// The sum; keeps this quantity's family of suffixes, unless it is zero.
    pub fn add(&self, other: &Quantity) -> Quantity {
        let exponent = self.exponent.min(other.exponent);
        let at =
            |q: &Quantity| q.mantissa.saturating_mul(power(10, q.exponent - exponent).unwrap_or(i128::MAX));
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { mantissa: at(self).saturating_add(at(other)), exponent, format }.trimmed()
    }

    pub fn neg(&self) -> Quantity {
        Quantity { mantissa: -self.mantissa, ..*self }
    }

    pub fn approximate(&self) -> f64 {
        self.mantissa as f64 * 10_f64.powi(self.exponent)
    }

    fn scaled(&self, exponent: i32) -> i64 {
        let shift = self.exponent - exponent;
        let amount = if shift >= 0 {
            self.mantissa.saturating_mul(power(10, shift).unwrap_or(i128::MAX))
        } else {
            divide_up(self.mantissa, power(10, -shift).unwrap_or(i128::MAX))
        };
        i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
    }

    fn rounded_up(self) -> Quantity {
        if self.exponent >= EXPONENT_MIN {
            return self;
        }
        let factor = power(10, EXPONENT_MIN - self.exponent).unwrap_or(i128::MAX);
        Quantity { mantissa: divide_up(self.mantissa, factor), exponent: EXPONENT_MIN, ..self }
    }

    /// Without trailing decimal zeros in the mantissa.
    fn trimmed(mut self) -> Quantity {
        if self.mantissa == 0 {
            return Quantity { exponent: 0, ..self };
        }
        while self.mantissa % 10 == 0 {
            self.mantissa /= 10;
            self.exponent += 1;
        }
        self
    }

    fn decimal_text(&self) -> String {
        let (mut mantissa, mut exponent) = (self.mantissa, self.exponent);
        // The exponent of a suffix is a multiple of three.
        while exponent.rem_euclid(3) != 0 {
            mantissa = mantissa.saturating_mul(10);
            exponent -= 1;
        }
        let suffix = match (self.format, exponent) {
            (_, 0) => String::new(),
            (Format::DecimalExponent, exponent) => format!("e{exponent}"),
            (_, exponent) => match SI.iter().find(|(_, known)| *known == exponent) {
                Some((suffix, _)) => String::from(*suffix),
                None => format!("e{exponent}"),
            },
        };
        format!("{mantissa}{suffix}")
    }

    fn binary_text(&self) -> Option<String> {
        if self.exponent < 0 {
            return None;
        }
        let mut amount = self.mantissa.checked_mul(power(10, self.exponent)?)?;
        if amount.abs() < 1024 {
            return None;
        }
        let mut place = 0;
        while amount % 1024 == 0 && place < BINARY.len() {
            amount /= 1024;
            place += 1;
        }
        let suffix =
            place.checked_sub(1).and_then(|index| BINARY.get(index)).map_or("", |(suffix, _)| suffix);
        Some(format!("{amount}{suffix}"))
    }
}

/// The canonical form: no fraction, the largest suffix that fits.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let binary = if self.format == Format::BinarySi { self.binary_text() } else { None };
        match binary {
            Some(text) => f.write_str(&text),
            // Amounts below 1024, and fractions, keep their precision in decimal units.
            None if self.format == Format::BinarySi => {
                f.write_str(&Quantity { format: Format::DecimalSi, ..*self }.decimal_text())
            }
            None => f.write_str(&self.decimal_text()),
        }
    }
}

/// The canonical form of a quantity's text.
pub fn canonical(text: &str) -> Result<String, Error> {
    Quantity::parse(text).map(|quantity| quantity.to_string())
}

const SI: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A suffix's family, power of two and power of ten.
fn suffix_of(suffix: &str) -> Result<(Format, u32, i32), Error> {
    if let Some((_, exponent)) = SI.iter().find(|(known, _)| *known == suffix) {
        return Ok((Format::DecimalSi, 0, *exponent));
    }
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Ok((Format::BinarySi, *power, 0));
    }
    let letters = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let digits = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Error::Format);
    }
    let exponent = suffix.strip_prefix(['e', 'E']).and_then(|text| text.parse::<i32>().ok());
    match exponent {
        Some(exponent) if (-1000..=1000).contains(&exponent) => Ok((Format::DecimalExponent, 0, exponent)),
        _ => Err(Error::Suffix),
    }
}

/// The number that the digits before and after the point make, capped when it is too large.
fn digits(whole: &str, fraction: &str) -> i128 {
    if whole.len() > DIGITS_MAX {
        return BINARY_MAX;
    }
    let fraction = fraction.get(..fraction.len().min(DIGITS_MAX)).unwrap_or(fraction);
    whole
        .bytes()
        .chain(fraction.bytes())
        .fold(0_i128, |number, digit| number.saturating_mul(10).saturating_add(i128::from(digit - b'0')))
}

fn power(base: i128, exponent: i32) -> Option<i128> {
    base.checked_pow(u32::try_from(exponent).ok()?)
}

/// Division that rounds away from zero.
fn divide_up(number: i128, divisor: i128) -> i128 {
    let quotient = number / divisor;
    if number % divisor == 0 { quotient } else { quotient + number.signum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_become_canonical() {
        let cases = [
            ("0", "0"),
            ("1", "1"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("0.1", "100m"),
            ("1.5", "1500m"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1023", "1023"),
            ("1024", "1024"),
            ("0.5Ki", "512"),
            ("0.0001Ki", "102400u"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e1", "120"),
            ("5k", "5k"),
            ("5000", "5k"),
            ("-5000m", "-5"),
            ("+3", "3"),
            (".5", "500m"),
            ("5.", "5"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("-0.1n", "-1n"),
            ("100E", "100E"),
            ("1000000000000000000000", "1e21"),
            ("1Ki", "1Ki"),
            ("100Ki", "100Ki"),
            ("00012", "12"),
            ("1e-3", "1e-3"),
            ("0Mi", "0"),
            ("16Ei", "9223372036854775807"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for text in ["", "x", "1x", "1 Gi", "1.2.3", "--1", "Gi", ".", "1Gi5x", "1e5x", "1KI"] {
            assert_eq!(Quantity::parse(text).unwrap_err(), Error::Format, "{text}");
        }
        for text in ["1i", "1mm", "1ee3", "1KM"] {
            assert_eq!(Quantity::parse(text).unwrap_err(), Error::Suffix, "{text}");
        }
    }

    #[test]
    fn quantities_compare_and_round_up() {
        let q = |text: &str| Quantity::parse(text).unwrap();
        assert_eq!(q("1Gi").cmp(&q("1G")), Ordering::Greater);
        assert_eq!(q("1000m").cmp(&q("1")), Ordering::Equal);
        assert_eq!(q("1500m").value(), 2);
        assert_eq!(q("1.5").milli_value(), 1500);
        assert_eq!(q("1Gi").add(&q("1Gi")).to_string(), "2Gi");
        assert_eq!(q("100E").value(), i64::MAX);
    }
}
