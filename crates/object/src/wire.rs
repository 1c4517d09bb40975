//! The protobuf wire format: numbers, and length-delimited bytes.

use crate::quantity;
use std::fmt;

/// The error of bytes that are no protobuf message; prints the words of Go's generated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    UnexpectedEnd,
    Overflow,
    InvalidLength,
    IllegalTag(u64),
    WireType {
        field: u32,
        wire: u8,
    },
    Utf8,
    /// An invalid quantity.
    Quantity(quantity::QuantityError),
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::UnexpectedEnd => f.write_str("unexpected EOF"),
            WireError::Overflow => f.write_str("proto: integer overflow"),
            WireError::InvalidLength => f.write_str("proto: negative length found during unmarshaling"),
            WireError::IllegalTag(tag) => {
                write!(f, "proto: illegal tag {} (wire type {})", tag >> 3, tag & 7)
            }
            WireError::WireType { field, wire } => {
                write!(f, "proto: wrong wireType = {wire} for field {field}")
            }
            WireError::Utf8 => f.write_str("proto: invalid UTF-8"),
            WireError::Quantity(why) => why.fmt(f),
        }
    }
}

/// One undecoded field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

impl<'a> Payload<'a> {
    pub fn varint(self, field: u32) -> Result<u64, WireError> {
        match self {
            Payload::Varint(number) => Ok(number),
            other => Err(WireError::WireType { field, wire: other.wire() }),
        }
    }

    pub fn bytes(self, field: u32) -> Result<&'a [u8], WireError> {
        match self {
            Payload::Bytes(bytes) => Ok(bytes),
            other => Err(WireError::WireType { field, wire: other.wire() }),
        }
    }

    pub fn fixed64(self, field: u32) -> Result<u64, WireError> {
        match self {
            Payload::Fixed64(number) => Ok(number),
            other => Err(WireError::WireType { field, wire: other.wire() }),
        }
    }

    fn wire(self) -> u8 {
        match self {
            Payload::Varint(_) => 0,
            Payload::Fixed64(_) => 1,
            Payload::Bytes(_) => 2,
            Payload::Fixed32(_) => 5,
        }
    }
}

/// Reads the fields of one message in their order on the wire.
#[derive(Clone, Copy, Debug)]
pub struct WireReader<'a> {
    bytes: &'a [u8],
}

impl<'a> WireReader<'a> {
    pub fn new(bytes: &'a [u8]) -> WireReader<'a> {
        WireReader { bytes }
    }

    /// The bytes not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next field's number and payload; `None` at the end.
    ///
    /// Inlined at every call: returned through memory, the payload costs more than all the reading.
    #[inline(always)]
    pub fn next_field(&mut self) -> Result<Option<(u32, Payload<'a>)>, WireError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let field =
            u32::try_from(tag >> 3).ok().filter(|field| *field != 0).ok_or(WireError::IllegalTag(tag))?;
        let payload = match tag & 7 {
            0 => Payload::Varint(self.varint()?),
            1 => Payload::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| WireError::InvalidLength)?;
                Payload::Bytes(self.take(len)?)
            }
            5 => Payload::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(WireError::IllegalTag(tag)),
        };
        Ok(Some((field, payload)))
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        match self.bytes {
            [byte @ 0..0x80, rest @ ..] => {
                self.bytes = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut number = 0_u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.bytes.split_first().ok_or(WireError::UnexpectedEnd)?;
            self.bytes = rest;
            if shift == 63 && *byte > 1 {
                return Err(WireError::Overflow);
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(WireError::Overflow)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let bytes = self.take(N)?;
        bytes.try_into().map_err(|_| WireError::UnexpectedEnd)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(WireError::UnexpectedEnd)?;
        self.bytes = rest;
        Ok(taken)
    }
}

pub fn write_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub fn write_number(out: &mut Vec<u8>, field: u32, number: u64) {
    write_varint(out, u64::from(field) << 3);
    write_varint(out, number);
}

pub fn write_fixed64(out: &mut Vec<u8>, field: u32, number: u64) {
    write_varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&number.to_le_bytes());
}

pub fn write_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    write_varint(out, u64::from(field) << 3 | 2);
    write_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a message whose length is known only after its content.
pub fn write_message(out: &mut Vec<u8>, field: u32, content: impl FnOnce(&mut Vec<u8>)) {
    write_varint(out, u64::from(field) << 3 | 2);
    let start = out.len();
    out.push(0);
    content(out);
    let len = out.len() - start - 1;
    let Some(first) = out.get_mut(start) else { return };
    if len < 0x80 {
        *first = len as u8;
        return;
    }
    // Rare enough to move the content: most messages are short.
    let mut prefix = Vec::with_capacity(5);
    write_varint(&mut prefix, len as u64);
    out.splice(start..=start, prefix);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back() {
        let mut out = Vec::new();
        write_number(&mut out, 1, u64::MAX);
        write_bytes(&mut out, 2, b"ab");
        write_message(&mut out, 3, |out| write_bytes(out, 1, &[7; 300]));
        write_fixed64(&mut out, 4, 9);
        let mut reader = WireReader::new(&out);
        assert_eq!(reader.next_field(), Ok(Some((1, Payload::Varint(u64::MAX)))));
        assert_eq!(reader.next_field(), Ok(Some((2, Payload::Bytes(b"ab")))));
        let (field, payload) = reader.next_field().unwrap().unwrap();
        assert_eq!((field, payload.bytes(3).unwrap().len()), (3, 303));
        assert_eq!(reader.next_field(), Ok(Some((4, Payload::Fixed64(9)))));
        assert_eq!(reader.next_field(), Ok(None));
    }

    #[test]
    fn garbage_is_refused() {
        let cases: [(&[u8], WireError); 4] = [
            (&[0x0a, 5, 1], WireError::UnexpectedEnd),
            (&[0xff; 11], WireError::Overflow),
            (&[0x07], WireError::IllegalTag(7)),
            (&[0x80], WireError::UnexpectedEnd),
        ];
        for (bytes, error) in cases {
            assert_eq!(WireReader::new(bytes).next_field(), Err(error));
        }
    }
}
