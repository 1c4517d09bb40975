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
    format: QuantityFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum QuantityFormat {
    DecimalSi,
    BinarySi,
    DecimalExponent,
}

/// The error of a text that is no quantity; prints upstream's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantityError {
    Format,
    Numeric,
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            QuantityError::Format => {
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            QuantityError::Numeric => "unable to parse numeric part of quantity",
            QuantityError::Suffix => "unable to parse quantity's suffix",
        })
    }
}

/// The finest unit: nano. What is finer is rounded up, away from zero.
const EXPONENT_MIN: i32 = -9;
/// Upstream caps amounts of binary units at the largest int64.
const BINARY_MAX: i128 = i64::MAX as i128;
/// Digits beyond these would overflow the mantissa; they count as one of the last place that is kept.
const DIGITS_MAX: usize = 36;

impl Quantity {
    pub const ZERO: Quantity = Quantity { mantissa: 0, exponent: 0, format: QuantityFormat::DecimalSi };

    pub fn from_int(amount: i64) -> Quantity {
        Quantity { mantissa: amount.into(), exponent: 0, format: QuantityFormat::DecimalSi }.trimmed()
    }

    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        Parts::of(text)?.quantity()
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

    /// Upstream's cap of binary amounts, and its change of family for those below one.
    fn binary_bounded(self) -> Quantity {
        let at = |mantissa| Quantity { mantissa, exponent: 0, format: QuantityFormat::BinarySi };
        if self.cmp(&at(BINARY_MAX)) == Ordering::Greater {
            return at(BINARY_MAX);
        }
        if !self.is_zero() && self.cmp(&at(1)) == Ordering::Less {
            return Quantity { format: QuantityFormat::DecimalSi, ..self };
        }
        self
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
        let sign = if self.mantissa < 0 { "-" } else { "" };
        format!("{sign}{}", decimal(self.mantissa.unsigned_abs().to_string(), self.exponent, self.format))
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

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        let exponent = self.exponent.min(other.exponent);
        let at =
            |q: &Quantity| power(10, q.exponent - exponent).and_then(|factor| q.mantissa.checked_mul(factor));
        match (at(self), at(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => self.approximate().total_cmp(&other.approximate()),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Equal amounts are equal, however they are written.
impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

/// The canonical form: no fraction, the largest suffix that fits.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_zero() {
            return f.write_str("0");
        }
        let binary = if self.format == QuantityFormat::BinarySi { self.binary_text() } else { None };
        match binary {
            Some(text) => f.write_str(&text),
            // Amounts below 1024, and fractions, keep their precision in decimal units.
            None if self.format == QuantityFormat::BinarySi => {
                f.write_str(&Quantity { format: QuantityFormat::DecimalSi, ..*self }.decimal_text())
            }
            None => f.write_str(&self.decimal_text()),
        }
    }
}

/// The form in which upstream writes a quantity that it has read: canonical, unless it keeps the text itself.
pub fn canonical(text: &str) -> Result<String, QuantityError> {
    let parts = Parts::of(text)?;
    if parts.is_kept() {
        return Ok(String::from(text));
    }
    let quantity = parts.quantity()?;
    if parts.format == QuantityFormat::BinarySi || quantity.is_zero() {
        return Ok(quantity.to_string());
    }
    Ok(parts.decimal_text())
}

/// The parts of a quantity's text: `-01.50Ki` is negative, `1`, `50`, and 2^10.
struct Parts<'a> {
    is_negative: bool,
    /// Without leading zeros; empty for zero.
    whole: &'a str,
    fraction: &'a str,
    has_digits: bool,
    format: QuantityFormat,
    base2: u32,
    base10: i32,
}

impl<'a> Parts<'a> {
    /// Upstream asks for no digit at all: a suffix or sign alone is zero.
    fn of(text: &'a str) -> Result<Parts<'a>, QuantityError> {
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = rest.strip_prefix('.').map_or(("", rest), split_digits);
        let (format, base2, base10) = suffix_of(suffix)?;
        Ok(Parts {
            is_negative: text.starts_with('-'),
            whole: whole.trim_start_matches('0'),
            fraction,
            has_digits: !whole.is_empty() || !fraction.is_empty(),
            format,
            base2,
            base10,
        })
    }

    fn quantity(&self) -> Result<Quantity, QuantityError> {
        if !self.has_digits && !self.is_small() {
            return Err(QuantityError::Numeric);
        }
        let (mut mantissa, mut exponent) = amount(self.whole, self.fraction.trim_end_matches('0'));
        while mantissa.checked_mul(1 << self.base2).is_none() {
            mantissa = divide_up(mantissa, 10);
            exponent += 1;
        }
        mantissa *= 1 << self.base2;
        exponent += self.base10;
        let mut quantity = Quantity { mantissa, exponent, format: self.format }.rounded_up().trimmed();
        if self.format == QuantityFormat::BinarySi {
            quantity = quantity.binary_bounded();
        }
        Ok(if self.is_negative { quantity.neg() } else { quantity })
    }

    /// The canonical form of a decimal amount other than zero. Upstream's numbers have as many digits as they are
    /// given, so this works on the digits, of which a mantissa holds only the first.
    fn decimal_text(&self) -> String {
        let mut digits = format!("{}{}", self.whole, self.fraction);
        let mut exponent = self.scale();
        let below_nano = usize::try_from(EXPONENT_MIN - exponent).unwrap_or(0);
        if below_nano > 0 {
            let dropped = digits.split_off(digits.len().saturating_sub(below_nano));
            exponent = EXPONENT_MIN;
            if dropped.bytes().any(|digit| digit != b'0') {
                digits = incremented(digits);
            }
        }
        let sign = if self.is_negative { "-" } else { "" };
        format!("{sign}{}", decimal(digits, exponent, self.format))
    }

    /// Whether upstream reads it into an int64 right away: few digits, and nothing below nano.
    fn is_small(&self) -> bool {
        let digits = self.whole.len().max(1) + self.fraction.len();
        match self.format {
            QuantityFormat::BinarySi => {
                self.fraction.is_empty() && digits + self.base2 as usize * 3 / 10 < 15
            }
            QuantityFormat::DecimalSi | QuantityFormat::DecimalExponent => {
                digits <= 18 && self.scale() >= EXPONENT_MIN
            }
        }
    }

    /// Whether upstream takes the text for canonical and writes it as it came: `1.500`, `+3`, `007`.
    fn is_kept(&self) -> bool {
        let number: i64 = self.whole.parse().unwrap_or(0);
        self.is_small()
            && match self.format {
                QuantityFormat::BinarySi => number & 7 != 0 && number.checked_mul(1 << self.base2).is_some(),
                QuantityFormat::DecimalSi | QuantityFormat::DecimalExponent => {
                    let ends_in_thousand = if self.fraction.len() < 3 {
                        format!("{}{}", self.whole, self.fraction).ends_with("000")
                    } else {
                        self.fraction.ends_with("000")
                    };
                    self.scale() % 3 == 0 && !ends_in_thousand && !self.whole.is_empty()
                }
            }
    }

    fn scale(&self) -> i32 {
        self.base10 - i32::try_from(self.fraction.len()).unwrap_or(i32::MAX)
    }
}

const SI: [(&str, i32); 10] =
    [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];

/// A suffix's family, power of two and power of ten.
fn suffix_of(suffix: &str) -> Result<(QuantityFormat, u32, i32), QuantityError> {
    if let Some((_, exponent)) = SI.iter().find(|(known, _)| *known == suffix) {
        return Ok((QuantityFormat::DecimalSi, 0, *exponent));
    }
    if let Some((_, power)) = BINARY.iter().find(|(known, _)| *known == suffix) {
        return Ok((QuantityFormat::BinarySi, *power, 0));
    }
    let letters = suffix.trim_start_matches(|c: char| "eEinumkKMGTP".contains(c));
    let digits = letters.strip_prefix(['-', '+']).unwrap_or(letters);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(QuantityError::Format);
    }
    let exponent = suffix.strip_prefix(['e', 'E']).and_then(|text| text.parse::<i32>().ok());
    match exponent {
        Some(exponent) if (-1000..=1000).contains(&exponent) => {
            Ok((QuantityFormat::DecimalExponent, 0, exponent))
        }
        _ => Err(QuantityError::Suffix),
    }
}

/// The canonical text of the amount `digits * 10^exponent`, not zero: no trailing zeros except those that give the
/// exponent a suffix.
fn decimal(mut digits: String, mut exponent: i32, format: QuantityFormat) -> String {
    let trimmed = digits.trim_end_matches('0').len();
    exponent += i32::try_from(digits.len() - trimmed).unwrap_or(0);
    digits.truncate(trimmed);
    // The exponent of a suffix is a multiple of three.
    while exponent.rem_euclid(3) != 0 {
        digits.push('0');
        exponent -= 1;
    }
    let first = digits.bytes().take_while(|digit| *digit == b'0').count();
    digits.drain(..first);
    match (format, SI.iter().find(|(_, known)| *known == exponent)) {
        (_, _) if exponent == 0 => {}
        (QuantityFormat::DecimalExponent, _) => digits.push_str(&format!("e{exponent}")),
        (_, Some((suffix, _))) => digits.push_str(suffix),
        // Upstream has no suffix for such an amount and writes none.
        (_, None) => {}
    }
    digits
}

/// The digits of the number that is one more.
fn incremented(digits: String) -> String {
    let kept = digits.trim_end_matches('9');
    let nines = digits.len() - kept.len();
    let (head, last) = kept.split_at(kept.len().saturating_sub(1));
    let last = last.bytes().next().unwrap_or(b'0') + 1;
    format!("{head}{}{}", char::from(last), "0".repeat(nines))
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The number that the digits before and after the point make, as mantissa and power of ten. What is cut off
/// behind counts as one of the last place, for all rounding is up.
fn amount(whole: &str, fraction: &str) -> (i128, i32) {
    let (whole_kept, whole_cut) = whole.split_at(whole.len().min(DIGITS_MAX));
    let (fraction_kept, fraction_cut) = fraction.split_at(fraction.len().min(DIGITS_MAX - whole_kept.len()));
    let digits = whole_kept.bytes().chain(fraction_kept.bytes());
    let number = digits.fold(0_i128, |number, digit| number * 10 + i128::from(digit - b'0'));
    let is_cut = whole_cut.bytes().chain(fraction_cut.bytes()).any(|digit| digit != b'0');
    (number + i128::from(is_cut), whole_cut.len() as i32 - fraction_kept.len() as i32)
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
mod tests;
