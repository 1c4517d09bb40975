//! The table of families.

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    /// `ALPHA`, `BETA`, `STABLE` or `INTERNAL`; empty for families that are not Kubernetes' own.
    pub stability: &'static str,
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

const TABLE: &str = include_str!("families.txt");

/// All families, by name.
pub fn all() -> Vec<Family> {
    let rows = TABLE.lines().filter(|line| !line.starts_with("##"));
    rows.map(|row| Family::parse(row).unwrap_or_else(|| panic!("no family: {row}"))).collect()
}

impl Family {
    fn parse(row: &'static str) -> Option<Family> {
        let mut cells = row.splitn(6, " | ").map(|cell| if cell == "-" { "" } else { cell });
        Some(Family {
            name: cells.next()?,
            kind: Kind::parse(cells.next()?)?,
            stability: cells.next()?,
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
            format!("[{}] {}", self.stability, self.help)
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
