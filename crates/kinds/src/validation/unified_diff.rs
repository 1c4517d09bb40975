//! Changes between two texts, as unified hunks with three lines of context.
//!
//! The longest run of lines that both texts have is kept, then the longest to its left and to its right, and so on.
//! In long texts, lines that occur often start no run, which is how Python's difflib and upstream's port of it find
//! the same hunks.

use std::collections::HashMap;

const CONTEXT_LINES: usize = 3;

/// Texts of fewer lines have no frequent lines.
const FREQUENT_FROM_LINES: usize = 200;

/// The hunks that turn `old` into `new`; empty when they are the same.
pub fn unified(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.split('\n').collect();
    let new: Vec<&str> = new.split('\n').collect();
    let mut out = String::new();
    for hunk in hunks(steps(&old, &new)) {
        write_hunk(&hunk, &old, &new, &mut out);
    }
    out
}

/// A run of lines of both texts: the same in both, or different.
#[derive(Clone, Copy, Debug)]
struct EditStep {
    is_same: bool,
    old: (usize, usize),
    new: (usize, usize),
}

/// `size` lines that both texts have, from `old` in the one and `new` in the other.
#[derive(Clone, Copy, Debug)]
struct DiffRun {
    old: usize,
    new: usize,
    size: usize,
}

fn steps(old: &[&str], new: &[&str]) -> Vec<EditStep> {
    let mut runs = runs(old, new);
    runs.push(DiffRun { old: old.len(), new: new.len(), size: 0 });
    let (mut from_old, mut from_new) = (0, 0);
    let mut steps = Vec::new();
    for run in runs {
        if from_old < run.old || from_new < run.new {
            steps.push(EditStep { is_same: false, old: (from_old, run.old), new: (from_new, run.new) });
        }
        (from_old, from_new) = (run.old + run.size, run.new + run.size);
        if run.size > 0 {
            steps.push(EditStep { is_same: true, old: (run.old, from_old), new: (run.new, from_new) });
        }
    }
    steps
}

/// All runs, in order, adjacent ones joined.
fn runs(old: &[&str], new: &[&str]) -> Vec<DiffRun> {
    let places = places(new);
    let mut found = Vec::new();
    let mut open = vec![((0, old.len()), (0, new.len()))];
    while let Some((in_old, in_new)) = open.pop() {
        let run = longest(old, new, &places, in_old, in_new);
        if run.size == 0 {
            continue;
        }
        found.push(run);
        open.push(((in_old.0, run.old), (in_new.0, run.new)));
        open.push(((run.old + run.size, in_old.1), (run.new + run.size, in_new.1)));
    }
    found.sort_by_key(|run| run.old);
    let mut joined: Vec<DiffRun> = Vec::new();
    for run in found {
        match joined.last_mut() {
            Some(last) if last.old + last.size == run.old && last.new + last.size == run.new => {
                last.size += run.size;
            }
            _ => joined.push(run),
        }
    }
    joined
}

/// The places of each line in a text, without lines that are frequent in a long text.
fn places<'a>(text: &[&'a str]) -> HashMap<&'a str, Vec<usize>> {
    let mut places: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, line) in text.iter().enumerate() {
        places.entry(line).or_default().push(place);
    }
    if text.len() >= FREQUENT_FROM_LINES {
        let often = text.len() / 100 + 1;
        places.retain(|_, at| at.len() <= often);
    }
    places
}

fn longest(
    old: &[&str],
    new: &[&str],
    places: &HashMap<&str, Vec<usize>>,
    in_old: (usize, usize),
    in_new: (usize, usize),
) -> DiffRun {
    let mut best = DiffRun { old: in_old.0, new: in_new.0, size: 0 };
    let mut ending: HashMap<usize, usize> = HashMap::new();
    for (at, line) in old.iter().enumerate().take(in_old.1).skip(in_old.0) {
        let mut next = HashMap::new();
        let inside = |place: &&usize| (in_new.0..in_new.1).contains(*place);
        for &place in places.get(line).into_iter().flatten().filter(inside) {
            let before = place.checked_sub(1).and_then(|before| ending.get(&before));
            let size = before.copied().unwrap_or(0) + 1;
            next.insert(place, size);
            if size > best.size {
                best = DiffRun { old: at + 1 - size, new: place + 1 - size, size };
            }
        }
        ending = next;
    }
    extend(best, old, new, in_old, in_new)
}

/// A run takes in the equal lines around it, the frequent ones too.
fn extend(
    mut run: DiffRun,
    old: &[&str],
    new: &[&str],
    in_old: (usize, usize),
    in_new: (usize, usize),
) -> DiffRun {
    while run.old > in_old.0 && run.new > in_new.0 && old.get(run.old - 1) == new.get(run.new - 1) {
        run = DiffRun { old: run.old - 1, new: run.new - 1, size: run.size + 1 };
    }
    while run.old + run.size < in_old.1
        && run.new + run.size < in_new.1
        && old.get(run.old + run.size) == new.get(run.new + run.size)
    {
        run.size += 1;
    }
    run
}

/// Steps with at most the context around each change, split where changes are far apart.
fn hunks(mut steps: Vec<EditStep>) -> Vec<Vec<EditStep>> {
    if let Some(first) = steps.first_mut().filter(|step| step.is_same) {
        *first = last_lines(*first);
    }
    if let Some(last) = steps.last_mut().filter(|step| step.is_same) {
        *last = first_lines(*last);
    }
    let mut hunks = Vec::new();
    let mut hunk = Vec::new();
    for step in steps {
        if step.is_same && step.old.1 - step.old.0 > 2 * CONTEXT_LINES {
            hunk.push(first_lines(step));
            hunks.push(std::mem::replace(&mut hunk, vec![last_lines(step)]));
        } else {
            hunk.push(step);
        }
    }
    hunks.push(hunk);
    hunks.retain(|hunk: &Vec<EditStep>| hunk.iter().any(|step| !step.is_same));
    hunks
}

fn first_lines(step: EditStep) -> EditStep {
    let end = |(from, to): (usize, usize)| (from, to.min(from + CONTEXT_LINES));
    EditStep { old: end(step.old), new: end(step.new), ..step }
}

fn last_lines(step: EditStep) -> EditStep {
    let start = |(from, to): (usize, usize)| (from.max(to.saturating_sub(CONTEXT_LINES)), to);
    EditStep { old: start(step.old), new: start(step.new), ..step }
}

fn write_hunk(hunk: &[EditStep], old: &[&str], new: &[&str], out: &mut String) {
    let (Some(first), Some(last)) = (hunk.first(), hunk.last()) else { return };
    let (in_old, in_new) = (range(first.old.0, last.old.1), range(first.new.0, last.new.1));
    out.push_str(&format!("@@ -{in_old} +{in_new} @@\n"));
    for step in hunk {
        let (gone, come) = (if step.is_same { ' ' } else { '-' }, '+');
        write_lines(gone, old, step.old, out);
        if !step.is_same {
            write_lines(come, new, step.new, out);
        }
    }
}

fn write_lines(mark: char, text: &[&str], (from, to): (usize, usize), out: &mut String) {
    for line in text.iter().take(to).skip(from) {
        out.push(mark);
        out.push_str(line);
        out.push('\n');
    }
}

/// Lines are counted from one; an empty range names the line before it.
fn range(from: usize, to: usize) -> String {
    match to - from {
        1 => format!("{}", from + 1),
        0 => format!("{from},0"),
        len => format!("{},{len}", from + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_have_context_and_counted_lines() {
        let cases = [
            ("a\nb", "a\nb", ""),
            ("a\nb", "a\nc", "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"),
            ("1\n2\n3\n4\n5\nx", "1\n2\n3\n4\n5\nx\ny", "@@ -4,3 +4,4 @@\n 4\n 5\n x\n+y\n"),
            ("a", "b", "@@ -1 +1 @@\n-a\n+b\n"),
            (
                "x\n1\n2\n3\n4\n5\n6\n7\ny",
                "z\n1\n2\n3\n4\n5\n6\n7\nw",
                "@@ -1,4 +1,4 @@\n-x\n+z\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-y\n+w\n",
            ),
        ];
        for (old, new, expected) in cases {
            assert_eq!(unified(old, new), expected, "{old:?} {new:?}");
        }
    }
}
