//! `Fields`: writes the fields of a JSON object, with names that nothing is left to do for.

use pintle_object::json;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};

/// The bytes of a time with microseconds.
pub const MICRO_LEN: usize = 27;

/// The name of a field with all that stands around it, the comma of the field before it included.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

pub(crate) use key;

/// Writes the fields of a JSON object one after the other.
pub struct Fields<'a> {
    pub out: &'a mut Vec<u8>,
    is_first: bool,
}

impl<'a> Fields<'a> {
    /// Those of an object that has none yet.
    pub fn first(out: &'a mut Vec<u8>) -> Fields<'a> {
        Fields { out, is_first: true }
    }

    /// Those after others.
    pub fn more(out: &'a mut Vec<u8>) -> Fields<'a> {
        Fields { out, is_first: false }
    }

    /// The name of a field, as `key!` has it.
    pub fn name(&mut self, name: &'static str) {
        let skipped = usize::from(std::mem::take(&mut self.is_first));
        self.out.extend_from_slice(name.as_bytes().get(skipped..).unwrap_or_default());
    }

    /// A key that others chose.
    pub fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.out.push(b',');
        }
        json::write_string(self.out, key);
        self.out.push(b':');
    }

    pub fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        json::write_string(self.out, text);
    }

    /// A text of this crate's own, which has nothing to escape.
    pub fn plain(&mut self, name: &'static str, text: &'static str) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    /// A text that is left out when it is empty.
    pub fn given(&mut self, name: &'static str, text: &str) {
        if !text.is_empty() {
            self.text(name, text);
        }
    }

    pub fn int(&mut self, name: &'static str, int: i64) {
        self.name(name);
        json::write_int(self.out, int);
    }

    /// A list that is left out when it is empty.
    pub fn texts<T: AsRef<str>>(&mut self, name: &'static str, texts: impl ExactSizeIterator<Item = T>) {
        if texts.len() > 0 {
            self.name(name);
            self.list(texts);
        }
    }

    pub fn list<T: AsRef<str>>(&mut self, texts: impl Iterator<Item = T>) {
        self.out.push(b'[');
        for (index, text) in texts.enumerate() {
            if index > 0 {
                self.out.push(b',');
            }
            json::write_string(self.out, text.as_ref());
        }
        self.out.push(b']');
    }

    /// Addresses, as the family that they are of.
    pub fn ips(&mut self, name: &'static str, ips: &[IpAddr]) {
        if ips.is_empty() {
            return;
        }
        self.name(name);
        for (index, ip) in ips.iter().enumerate() {
            self.out.extend_from_slice(if index > 0 { b",\"" } else { b"[\"" });
            match ip.to_canonical() {
                IpAddr::V4(ip) => write_ip_v4(ip, self.out),
                // Writing to a vector does not fail.
                IpAddr::V6(ip) => drop(write!(self.out, "{ip}")),
            }
            self.out.push(b'"');
        }
        self.out.push(b']');
    }

    pub fn raw(&mut self, name: &'static str, document: Option<&[u8]>) {
        if let Some(document) = document {
            self.name(name);
            self.out.extend_from_slice(document.trim_ascii_end());
        }
    }

    /// Upstream's MicroTime.
    pub fn digits(&mut self, name: &'static str, time: &[u8; MICRO_LEN]) {
        self.name(name);
        self.out.push(b'"');
        self.out.extend_from_slice(time);
        self.out.push(b'"');
    }

    pub fn map(&mut self, name: &'static str, write: impl FnOnce(&mut Fields<'_>)) {
        self.name(name);
        self.braces(write);
    }

    pub fn braces(&mut self, write: impl FnOnce(&mut Fields<'_>)) {
        self.out.push(b'{');
        write(&mut Fields { out: self.out, is_first: true });
        self.out.push(b'}');
    }
}

fn write_ip_v4(ip: Ipv4Addr, out: &mut Vec<u8>) {
    for (index, octet) in ip.octets().into_iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        json::write_int(out, octet.into());
    }
}
