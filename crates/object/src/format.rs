//! `Format`: the encodings that objects have on their way to a server and back.

/// An encoding of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Yaml,
    Protobuf,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::Json, Format::Yaml, Format::Protobuf];

    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Yaml => "application/yaml",
            Format::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// The format of a media type, which is compared as it is written.
    pub fn of(media_type: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.media_type() == media_type)
    }

    /// Whether it can frame the events of a watch.
    pub fn is_streamed(self) -> bool {
        self != Format::Yaml
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_found_by_their_media_types() {
        for format in Format::ALL {
            assert_eq!(Format::of(format.media_type()), Some(format));
        }
        assert_eq!(Format::of("text/plain"), None);
    }
}
