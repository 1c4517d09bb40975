//! The media type of a body by its first bytes, as Go's `net/http.DetectContentType` finds it.

/// The bytes that are looked at.
const LOOK_BYTES: usize = 512;

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const BINARY: &str = "application/octet-stream";

/// Tags that begin a page, after white space and before a space or the tag's end.
const TAGS: [&[u8]; 17] = [
    b"<!DOCTYPE HTML",
    b"<HTML",
    b"<HEAD",
    b"<SCRIPT",
    b"<IFRAME",
    b"<H1",
    b"<DIV",
    b"<FONT",
    b"<TABLE",
    b"<A",
    b"<STYLE",
    b"<TITLE",
    b"<B",
    b"<BODY",
    b"<BR",
    b"<P",
    b"<!--",
];

/// The media types of exact prefixes.
const BEGINNINGS: [(&[u8], &str); 24] = [
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"\xFE\xFF", "text/plain; charset=utf-16be"),
    (b"\xFF\xFE", "text/plain; charset=utf-16le"),
    (b"\xEF\xBB\xBF", TEXT),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\x00\x00\x02\x00", "image/x-icon"),
    (b"BM", "image/bmp"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x89PNG\x0D\x0A\x1A\x0A", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b".snd", "audio/basic"),
    (b"ID3", "audio/mpeg"),
    (b"OggS\x00", "application/ogg"),
    (b"MThd\x00\x00\x00\x06", "audio/midi"),
    (b"\x1A\x45\xDF\xA3", "video/webm"),
    (b"\x00\x01\x00\x00", "font/ttf"),
    (b"OTTO", "font/otf"),
    (b"ttcf", "font/collection"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1F\x8B\x08", "application/x-gzip"),
    (b"PK\x03\x04", "application/zip"),
];

/// The type of a body that begins like this.
pub fn content_type(bytes: &[u8]) -> &'static str {
    let bytes = bytes.get(..LOOK_BYTES).unwrap_or(bytes);
    let is_space = |byte: &u8| matches!(byte, b'\t' | b'\n' | b'\x0C' | b'\r' | b' ');
    let text = bytes.get(bytes.iter().take_while(|byte| is_space(byte)).count()..).unwrap_or_default();
    if TAGS.iter().any(|tag| begins_with_tag(text, tag)) {
        return HTML;
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, name)) = BEGINNINGS.iter().find(|(beginning, _)| bytes.starts_with(beginning)) {
        return name;
    }
    match (bytes.get(..4), bytes.get(8..)) {
        (Some(b"RIFF"), Some(rest)) if rest.starts_with(b"WEBPVP") => return "image/webp",
        (Some(b"RIFF"), Some(rest)) if rest.starts_with(b"AVI ") => return "video/avi",
        (Some(b"RIFF"), Some(rest)) if rest.starts_with(b"WAVE") => return "audio/wave",
        _ => {}
    }
    let is_binary = |byte: &u8| matches!(byte, 0x00..=0x08 | 0x0B | 0x0E..=0x1A | 0x1C..=0x1F);
    if text.iter().any(is_binary) { BINARY } else { TEXT }
}

fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    let begins = text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    begins && matches!(text.get(tag.len()), Some(b' ' | b'>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell() {
        for (bytes, expected) in [
            (&b"plain"[..], TEXT),
            (b"{\"a\":1}", TEXT),
            (b"", TEXT),
            (b"\n <html><a>", HTML),
            (b"<!doctype html>", HTML),
            (b"<a", TEXT),
            (b"<ab>", TEXT),
            (b" <?xml version", "text/xml; charset=utf-8"),
            (b"\x00\x01binary", BINARY),
            (b"k8s\x00", BINARY),
            (b"\x89PNG\x0D\x0A\x1A\x0Ax", "image/png"),
            (b"RIFF....WEBPVP8", "image/webp"),
            (b"\x1F\x8B\x08x", "application/x-gzip"),
        ] {
            assert_eq!(content_type(bytes), expected, "{bytes:?}");
        }
    }
}
