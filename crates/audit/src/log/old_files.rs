//! Files that were rotated: their names, which of them are compressed, and which are removed.

use flate2::Compression;
use flate2::write::GzEncoder;
use pintle_object::time::Time;
use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const COMPRESSED: &str = ".gz";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// `2006-01-02T15-04-05.000`
const STAMP_BYTES: usize = 23;

/// The name that a file gets when it is rotated: `audit-2026-11-29T21-53-45.123.log`. One that is taken is never used:
/// the next millisecond is.
pub fn backup_path(path: &Path, now: SystemTime) -> PathBuf {
    let (prefix, extension) = prefix_and_extension(path);
    let named = |millis: u64| path.with_file_name(format!("{prefix}{}{extension}", stamp(millis)));
    let mut millis =
        u64::try_from(now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(0);
    loop {
        let backup = named(millis);
        let compressed = with_suffix(&backup);
        if !backup.exists() && !compressed.exists() {
            return backup;
        }
        millis += 1;
    }
}

fn with_suffix(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// `audit-` and `.log` of `audit.log`.
fn prefix_and_extension(path: &Path) -> (String, String) {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // As Go has it, a name may be nothing but an extension.
    let (stem, extension) = name.rfind('.').map_or((name.as_str(), ""), |dot| name.split_at(dot));
    (format!("{stem}-"), extension.into())
}

fn stamp(millis: u64) -> String {
    let seconds = Time { seconds: i64::try_from(millis / 1000).unwrap_or(0), nanos: 0 }.to_seconds_text();
    let (date, time) = seconds.trim_end_matches('Z').split_once('T').unwrap_or_default();
    format!("{date}T{}.{:03}", time.replace(':', "-"), millis % 1000)
}

/// The time of a stamp, in milliseconds.
fn parse_stamp(stamp: &str) -> Option<u64> {
    let (seconds, millis) = stamp.split_once('.').filter(|_| stamp.len() == STAMP_BYTES)?;
    let (date, time) = seconds.split_once('T')?;
    let time = Time::parse(&format!("{date}T{}Z", time.replace('-', ":"))).ok()?;
    let millis: u64 = millis.parse().ok()?;
    Some(u64::try_from(time.seconds).ok()? * 1000 + millis)
}

/// The old files of a log.
pub struct OldFiles {
    dir: PathBuf,
    prefix: String,
    extension: String,
    rotation: Rotation,
}

struct OldFile {
    name: String,
    millis: u64,
}

impl OldFile {
    fn is_compressed(&self) -> bool {
        self.name.ends_with(COMPRESSED)
    }
}

impl OldFiles {
    pub fn of(path: &Path, rotation: Rotation) -> OldFiles {
        let (prefix, extension) = prefix_and_extension(path);
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        OldFiles { dir: dir.into(), prefix, extension, rotation }
    }

    /// Removes what is beyond number and age, and compresses the rest if that is wanted.
    pub fn clean_up(&self) -> io::Result<()> {
        self.clean_up_at(SystemTime::now())
    }

    fn clean_up_at(&self, now: SystemTime) -> io::Result<()> {
        let Rotation { max_age_days, max_backups, is_compressed, .. } = self.rotation;
        if max_age_days == 0 && max_backups == 0 && !is_compressed {
            return Ok(());
        }
        let (mut kept, mut removed) = (self.list()?, Vec::new());
        if max_backups > 0 {
            let mut names = HashSet::new();
            removed.extend(kept.extract_if(.., |file| {
                // A file and its compressed form count as one.
                names.insert(file.name.trim_end_matches(COMPRESSED).to_string());
                names.len() > max_backups
            }));
        }
        if max_age_days > 0 {
            let age = DAY.saturating_mul(u32::try_from(max_age_days).unwrap_or(u32::MAX));
            let oldest = now.checked_sub(age).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let oldest = u64::try_from(oldest.unwrap_or_default().as_millis()).unwrap_or(0);
            removed.extend(kept.extract_if(.., |file| file.millis < oldest));
        }
        let mut result = Ok(());
        for file in removed {
            result = result.and(std::fs::remove_file(self.dir.join(&file.name)));
        }
        for file in kept.iter().filter(|file| is_compressed && !file.is_compressed()) {
            result = result.and(compress(&self.dir.join(&file.name)));
        }
        result
    }

    /// The old files, the newest first.
    fn list(&self) -> io::Result<Vec<OldFile>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(rest) = name.strip_prefix(&self.prefix) else { continue };
            let rest = rest.strip_suffix(COMPRESSED).unwrap_or(rest);
            let Some(millis) = rest.strip_suffix(&self.extension).and_then(parse_stamp) else { continue };
            if !entry.file_type()?.is_dir() {
                files.push(OldFile { name, millis });
            }
        }
        files.sort_by_key(|file| std::cmp::Reverse(file.millis));
        Ok(files)
    }
}

/// Puts the compressed form of a file in its place. One that an earlier try left is written anew.
fn compress(path: &Path) -> io::Result<()> {
    let compressed = with_suffix(path);
    let written = write_compressed(path, &compressed);
    if written.is_err() {
        let _ = std::fs::remove_file(&compressed);
        return written;
    }
    std::fs::remove_file(path)
}

fn write_compressed(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let metadata = source.metadata()?;
    let mode = metadata.permissions().mode() & 0o7777;
    let target = OpenOptions::new().create(true).write(true).truncate(true).mode(mode).open(to)?;
    std::os::unix::fs::chown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    let mut encoder = GzEncoder::new(target, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    encoder.finish()?.sync_all()
}

/// The limits of rotation: the size of a file, and the age and number of old ones; zero for no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    pub max_megabytes: u64,
    pub max_age_days: u64,
    pub max_backups: usize,
    pub is_compressed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn at(millis: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(millis)
    }

    #[test]
    fn names_are_lumberjacks_and_are_not_used_twice() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, expected: &str| {
            let backup = backup_path(&dir.path().join(name), at(1_700_000_000_007));
            assert_eq!(backup.file_name().unwrap().to_str(), Some(expected));
            backup
        };
        let first = check("audit.log", "audit-2023-11-14T22-13-20.007.log");
        check("audit", "audit-2023-11-14T22-13-20.007");
        check("a.b.log", "a.b-2023-11-14T22-13-20.007.log");
        File::create(with_suffix(&first)).unwrap();
        check("audit.log", "audit-2023-11-14T22-13-20.008.log");
        assert_eq!(parse_stamp("2023-11-14T22-13-20.007"), Some(1_700_000_000_007));
        for no_stamp in ["", "2023-11-14T22-13-20.07", "2023-13-14T22-13-20.007", "2023-11-14T22-13-20.abc"] {
            assert_eq!(parse_stamp(no_stamp), None, "{no_stamp}");
        }
    }

    fn files(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn old_files_go_by_number_and_age_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        const OTHERS: [&str; 4] = ["audit-x.log", "audit.log", "other-2023-11-10T00-00-00.000.log", "x.txt"];
        let fill = || {
            OTHERS.iter().for_each(|name| drop(File::create(dir.path().join(name)).unwrap()));
            for day in 10..15 {
                let name = format!("audit-2023-11-{day}T00-00-00.000.log");
                File::create(dir.path().join(name)).unwrap();
            }
            File::create(dir.path().join("audit-2023-11-12T00-00-00.000.log.gz")).unwrap();
        };
        let check = |max_backups: usize, max_age_days: u64, days: &[&str]| {
            fill();
            let rotation = Rotation { max_backups, max_age_days, ..Rotation::default() };
            OldFiles::of(&path, rotation).clean_up_at(at(1_700_000_000_000)).unwrap();
            let mut expected: Vec<String> = days.iter().map(|day| format!("audit-2023-11-{day}")).collect();
            expected.extend(OTHERS.map(String::from));
            expected.sort();
            assert_eq!(files(dir.path()), expected, "{max_backups} {max_age_days}");
        };
        const REST: &str = "T00-00-00.000.log";
        let day = |day: &str| format!("{day}{REST}");
        let (d10, d11, d12, d13, d14) = (day("10"), day("11"), day("12"), day("13"), day("14"));
        let z12 = format!("{d12}.gz");
        check(0, 0, &[&d10, &d11, &d12, &z12, &d13, &d14]);
        check(3, 0, &[&d12, &z12, &d13, &d14]);
        check(0, 2, &[&d13, &d14]);
        check(1, 2, &[&d14]);
    }

    #[test]
    fn old_files_are_compressed() {
        let dir = tempfile::tempdir().unwrap();
        let name = "audit-2023-11-14T00-00-00.000.log";
        std::fs::write(dir.path().join(name), "lines\n").unwrap();
        let rotation = Rotation { is_compressed: true, ..Rotation::default() };
        OldFiles::of(&dir.path().join("audit.log"), rotation).clean_up().unwrap();
        assert_eq!(files(dir.path()), [format!("{name}.gz")]);
        let mut text = String::new();
        let file = File::open(dir.path().join(format!("{name}.gz"))).unwrap();
        flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
        assert_eq!(text, "lines\n");
    }
}
