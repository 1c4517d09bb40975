//! Patterns against Go's answers, and bounds.

use super::*;

/// Texts in the first line; then for each pattern either its error, or for each text the places of its first four
/// matches.
const GO: &str = include_str!("go.jsonl");

fn spans(matches: &[(usize, usize)]) -> String {
    let spans: Vec<String> = matches.iter().map(|(start, end)| format!("{start}-{end}")).collect();
    spans.join(" ")
}

/// A search of a text from a place on: where the match begins and ends.
type Find<'a> = dyn Fn(&str, usize) -> Option<(usize, usize)> + 'a;

#[test]
fn patterns_are_judged_and_match_as_in_go() {
    let mut lines = GO.lines().map(|line| serde_json::from_str::<Vec<String>>(line).unwrap());
    let texts = lines.next().unwrap();
    let mut wrong = Vec::new();
    for row in lines {
        let [pattern, sign, expected] = row.as_slice() else { panic!("{row:?}") };
        let shown = match (parse::parse(pattern), sign.as_str()) {
            (Err(fault), _) => vec![("!", fault.to_string().replacen("error parsing regexp: ", "", 1))],
            (Ok(node), _) => {
                let program = Program::new(&node);
                let of = |find: &Find<'_>| {
                    let all: Vec<String> =
                        texts.iter().map(|text| spans(&each(text, 4, |from| find(text, from)))).collect();
                    all.join(",")
                };
                let mut shown = vec![("=", of(&|text, from| program.find(text, from, false)))];
                if let Some(regex) = automaton::build(&node) {
                    let find = |text: &str, from: usize| {
                        let found = regex.search(&Input::new(text).span(from..text.len()))?;
                        Some((found.start(), found.end()))
                    };
                    shown.push(("=", of(&find)));
                }
                shown
            }
        };
        if shown.iter().any(|(is, found)| is != sign || found != expected) {
            wrong.push(format!("{pattern:?}\n  {sign} {expected}\n  {shown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn large_patterns_are_refused_and_cost_little() {
    assert_eq!(fault(&"x{1000}".repeat(3400)).map(|fault| fault.code), Some(Code::Large));
    assert_eq!(fault(&"x".repeat(300 << 10)).map(|fault| fault.code), Some(Code::Large));
    let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(fault(&nested(999)), None);
    assert_eq!(fault(&nested(5000)).map(|fault| fault.code), Some(Code::NestingDepth));
}

#[test]
fn what_is_kept_is_bounded() {
    let budget = Budget(Arc::new(AtomicUsize::new(200_000)));
    let all: Vec<Regexp> =
        (0..50).map(|count| Regexp::new(&format!("^a{{{count}}}$"), &budget).unwrap()).collect();
    for (count, regexp) in all.iter().enumerate() {
        assert!(regexp.is_match(&"a".repeat(count)) && !regexp.is_match(&"a".repeat(count + 1)), "{count}");
    }
    let large = Regexp::new(r"^\pL{1000}(x{1000}){1}$", &budget).unwrap();
    assert!(large.is_match(&format!("{}{}", "é".repeat(1000), "x".repeat(1000))));
    let left = budget.0.load(Ordering::Relaxed);
    assert!(all.iter().any(|regexp| matches!(regexp.engine.get(), Some(Engine::Program(_)))), "{left}");
}
