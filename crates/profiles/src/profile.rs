//! `Builder`: a profile that grows by samples, and its bytes.

use crate::wire::{Function, Label, Location, Mapping, Profile, Sample, SourceLine, ValueType};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A function that a sample was in, or one that was inlined into it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Symbol {
    /// Empty where the program has no symbols.
    pub name: String,
    pub system_name: String,
    pub file: String,
    pub line: u32,
}

pub(crate) struct Builder {
    profile: Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<(i64, i64, i64), u64>,
    locations: HashMap<(u64, Vec<Symbol>), u64>,
}

impl Builder {
    /// A profile whose samples have values of these kinds and units.
    pub fn new(kinds: &[(&str, &str)]) -> Builder {
        let mut builder = Builder {
            profile: Profile::default(),
            texts: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
        };
        // The first text is the empty one.
        builder.text("");
        builder.profile.sample_type =
            kinds.iter().map(|(kind, unit)| builder.value_type(kind, unit)).collect();
        builder
    }

    /// Sets the time of the profile, and the meaning of a sample.
    pub fn period(&mut self, began: SystemTime, lasted: Duration, (kind, unit): (&str, &str), period: i64) {
        let nanos = |duration: Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
        self.profile.time_nanos = nanos(began.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.profile.duration_nanos = nanos(lasted);
        self.profile.period_type = Some(self.value_type(kind, unit));
        self.profile.period = period;
    }

    fn value_type(&mut self, kind: &str, unit: &str) -> ValueType {
        ValueType { kind: self.text(kind), unit: self.text(unit) }
    }

    /// Notes which files are where in memory, by the text of `/proc/self/maps`.
    pub fn mappings(&mut self, maps: &str) {
        for line in maps.lines() {
            if let Some(mapping) = self.mapping(line) {
                self.profile.mapping.push(mapping);
            }
        }
    }

    /// `start-end r-xp offset device inode  file`, of code alone.
    fn mapping(&mut self, line: &str) -> Option<Mapping> {
        let mut parts = line.split_ascii_whitespace();
        let (start, end) = parts.next()?.split_once('-')?;
        let is_code = parts.next()?.contains('x');
        let offset = parts.next()?;
        let file = parts.nth(2).filter(|file| file.starts_with('/') && is_code)?;
        let number = |text: &str| u64::from_str_radix(text, 16).ok();
        Some(Mapping {
            id: self.profile.mapping.len() as u64 + 1,
            memory_start: number(start)?,
            memory_limit: number(end)?,
            file_offset: number(offset)?,
            filename: self.text(file),
            has_functions: false,
        })
    }

    /// A place in the program: its address, and the functions there, the innermost first.
    pub fn location(&mut self, address: u64, symbols: Vec<Symbol>) -> u64 {
        if let Some(known) = self.locations.get(&(address, symbols.clone())) {
            return *known;
        }
        let named = symbols.iter().filter(|symbol| !symbol.name.is_empty());
        let line: Vec<SourceLine> = named
            .map(|symbol| SourceLine { function_id: self.function(symbol), line: symbol.line.into() })
            .collect();
        let is_of = |mapping: &&mut Mapping| (mapping.memory_start..mapping.memory_limit).contains(&address);
        let mapping = self.profile.mapping.iter_mut().find(is_of);
        let mapping_id = mapping.map_or(0, |mapping| {
            mapping.has_functions |= !line.is_empty();
            mapping.id
        });
        let id = self.profile.location.len() as u64 + 1;
        self.profile.location.push(Location { id, mapping_id, address, line });
        self.locations.insert((address, symbols), id);
        id
    }

    fn function(&mut self, symbol: &Symbol) -> u64 {
        let key = (self.text(&symbol.name), self.text(&symbol.system_name), self.text(&symbol.file));
        if let Some(known) = self.functions.get(&key) {
            return *known;
        }
        let (name, system_name, filename) = key;
        let id = self.profile.function.len() as u64 + 1;
        self.profile.function.push(Function { id, name, system_name, filename });
        self.functions.insert(key, id);
        id
    }

    /// A sample, with the name of its thread where it has one.
    pub fn sample(&mut self, location_id: Vec<u64>, value: Vec<i64>, thread: &str) {
        let label = match thread {
            "" => Vec::new(),
            thread => vec![Label { key: self.text("thread"), text: self.text(thread) }],
        };
        self.profile.sample.push(Sample { location_id, value, label });
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let place = i64::try_from(self.profile.string_table.len()).unwrap_or(i64::MAX);
        self.profile.string_table.push(text.into());
        self.texts.insert(text.into(), place);
        place
    }

    /// The profile as pprof reads it.
    pub fn bytes(self) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let written = gzip.write_all(&self.profile.encode_to_vec()).and_then(|()| gzip.finish());
        written.expect("writing to memory does not fail")
    }

    #[cfg(test)]
    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "5581a000-5581c000 r--p 00000000 08:01 42 /usr/bin/pintle\n\
                        5581c000-55900000 r-xp 00002000 08:01 42 /usr/bin/pintle\n\
                        7ffd0000-7ffd2000 r-xp 00000000 00:00 0 [vdso]\n";

    #[test]
    fn samples_share_places_functions_and_texts() {
        let mut builder = Builder::new(&[("samples", "count"), ("cpu", "nanoseconds")]);
        builder.mappings(MAPS);
        let main = Symbol { name: "main".into(), file: "main.rs".into(), line: 7, ..Symbol::default() };
        let one = builder.location(0x5581_d000, vec![main.clone()]);
        let other = builder.location(0x5581_e000, vec![main.clone()]);
        assert_eq!(builder.location(0x5581_d000, vec![main]), one);
        let unnamed = builder.location(0x1000, vec![Symbol::default()]);
        builder.sample(vec![one, other], vec![2, 20], "heavy");
        builder.sample(vec![unnamed], vec![1, 10], "");
        let profile = builder.profile();
        assert_eq!((profile.mapping.len(), profile.location.len(), profile.function.len()), (1, 3, 1));
        let mapping = &profile.mapping[0];
        assert_eq!((mapping.file_offset, mapping.has_functions), (0x2000, true));
        assert_eq!(profile.location.iter().map(|place| place.mapping_id).collect::<Vec<_>>(), [1, 1, 0]);
        assert!(profile.location[2].line.is_empty());
        assert_eq!(profile.string_table[0], "");
        let named = profile.string_table[usize::try_from(profile.function[0].name).unwrap()].as_str();
        assert_eq!(named, "main");
        assert_eq!(builder.bytes()[..2], [0x1f, 0x8b]);
    }
}
