//! Bytes that hyper writes of itself on HTTP/1.1, as Go's servers write them: refusals of heads that cannot be read, and
//! sizes of chunks.

use std::io::IoSlice;

/// The end of a line, and of a chunk.
const END: &[u8] = b"\r\n";
/// The end of the last chunk, with that of the body.
const LAST_END: &[u8] = b"\r\n0\r\n\r\n";
/// A size of a chunk has no more digits.
const SIZE_DIGITS_MAX: usize = 16;

/// The beginnings of hyper's refusals.
const HEADS: [&[u8]; 3] = [b"HTTP/1.1 400 ", b"HTTP/1.1 414 ", b"HTTP/1.1 431 "];

/// Go's refusal of a head that cannot be read, in the place of hyper's, which has no body. Nothing else that is sent has
/// these headers and no others.
pub fn refusal(written: &[u8]) -> Option<String> {
    if !HEADS.iter().any(|head| written.starts_with(head)) {
        return None;
    }
    let (line, headers) = std::str::from_utf8(written).ok()?.split_once("\r\n")?;
    let rest = headers.strip_prefix("Connection: close\r\nContent-Length: 0\r\nDate: ")?;
    let is_own = rest.strip_suffix("\r\n\r\n").is_some_and(|date| !date.contains("\r\n"));
    let words = line.strip_prefix("HTTP/1.1 ").filter(|_| is_own)?;
    Some(format!("{line}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{words}"))
}

/// The size of a chunk with small letters, where the slice at a place is one with capital letters. It is one when it tells
/// the length of the next slice and a line's end comes after that: a chunk of a body never has a line's end alone behind
/// the slice that is after it.
pub fn chunk_size(slices: &[IoSlice<'_>], place: usize) -> Option<Vec<u8>> {
    let slice = slices.get(place)?;
    let digits = slice.strip_suffix(END).filter(|digits| digits.len() <= SIZE_DIGITS_MAX)?;
    if !digits.iter().any(u8::is_ascii_uppercase) {
        return None;
    }
    let size = usize::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    let after: &[u8] = slices.get(place + 2)?;
    let is_told = slices.get(place + 1)?.len() == size && (after == END || after == LAST_END);
    is_told.then(|| slice.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_words() {
        let written = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\nDate: Mon, 30 Nov 2026 20:00:00 GMT\r\n\r\n";
        let expected = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request";
        assert_eq!(refusal(written.as_bytes()).as_deref(), Some(expected));
        let other = written.replace("Date", "Audit-Id: a\r\nDate");
        assert_eq!(refusal(other.as_bytes()), None);
        let other = written.replace("GMT", "GMT\r\nX: y");
        assert_eq!(refusal(other.as_bytes()), None);
        // The server's own.
        assert_eq!(refusal(written.replace("400 Bad Request", "417 Expectation Failed").as_bytes()), None);
        assert_eq!(refusal(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn sizes_of_chunks_have_small_letters() {
        let body = [b'A'; 0x1f];
        let check = |slices: &[&[u8]], expected: Option<&[u8]>| {
            let slices: Vec<IoSlice<'_>> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            assert_eq!(chunk_size(&slices, 0).as_deref(), expected);
        };
        check(&[b"1F\r\n", &body, END], Some(b"1f\r\n"));
        check(&[b"1F\r\n", &body, LAST_END], Some(b"1f\r\n"));
        check(&[b"1F\r\n", &body, b"0\r\n\r\n"], None);
        check(&[b"1F\r\n", &body], None);
        check(&[b"1E\r\n", &body, END], None);
        check(&[b"1F", &body, END], None);
        check(&[b"FOO\r\n", &body, END], None);
    }
}
