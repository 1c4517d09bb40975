//! The table of families.

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    /// `ALPHA`, `BETA`, `STABLE` or `INTERNAL`; empty for families that are not Kubernetes' own.
    pub stability: &'static str,
    /// Whether upstream says so before everything else: of histograms that are weighed by time.
    is_experimental: bool,
    labels: &'static str,
    buckets: &'static str,
    help: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

/// The mark before the stability of experimental families.
const EXPERIMENTAL: &str = "EXPERIMENTAL: ";

const TABLE: &str = include_str!("families.txt");

/// All families, by name.
pub fn all() -> Vec<Family> {
    let rows = TABLE.lines().filter(|line| !line.starts_with("##"));
    rows.map(|row| Family::parse(row).unwrap_or_else(|| panic!("no family: {row}"))).collect()
}

impl Family {
    fn parse(row: &'static str) -> Option<Family> {
        let mut cells = row.splitn(6, " | ").map(|cell| if cell == "-" { "" } else { cell });
        let (name, kind, stability) = (cells.next()?, Kind::parse(cells.next()?)?, cells.next()?);
        let experimental = stability.strip_prefix(EXPERIMENTAL);
        Some(Family {
            name,
            kind,
            stability: experimental.unwrap_or(stability),
            is_experimental: experimental.is_some(),
            labels: cells.next()?,
            buckets: cells.next()?,
            help: cells.next()?,
        })
    }

    pub fn labels(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.labels.split(',').filter(|label| !label.is_empty())
    }

    /// The upper bounds of the buckets, as they are written.
    pub fn buckets(&self) -> impl Iterator<Item = &'static str> {
        self.buckets.split(',').filter(|bound| !bound.is_empty())
    }

    /// The help with its stability, as it is served.
    pub fn help(&self) -> String {
        if self.stability.is_empty() {
            self.help.into()
        } else {
            let experimental = if self.is_experimental { EXPERIMENTAL } else { "" };
            format!("{experimental}[{}] {}", self.stability, self.help)
        }
    }
}

impl Kind {
    fn parse(name: &str) -> Option<Kind> {
        [Kind::Counter, Kind::Gauge, Kind::Histogram, Kind::Summary]
            .into_iter()
            .find(|kind| kind.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        }
    }
}
