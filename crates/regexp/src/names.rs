//! Names of Unicode's classes, as Go's syntax knows them: `\p{Greek}`, `\pL`, `\p{uppercase letter}`.

use crate::class::{self, Range};
use regex_syntax::hir::{Class, HirKind};

/// General categories.
const CATEGORIES: &str = "C Cc Cf Cn Co Cs L LC Ll Lm Lo Lt Lu M Mc Me Mn N Nd Nl No P Pc Pd Pe Pf Pi Po Ps S Sc Sk \
    Sm So Z Zl Zp Zs";

/// Scripts, without those of several words, which Go does not find because of the underscore.
const SCRIPTS: &str = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bhaiksuki Bopomofo Brahmi \
    Braille Buginese Buhid Carian Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cyrillic Deseret \
    Devanagari Dogra Duployan Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han \
    Hangul Hanunoo Hatran Hebrew Hiragana Inherited Javanese Kaithi Kannada Katakana Kawi Kharoshthi Khmer Khojki \
    Khudawadi Lao Latin Lepcha Limbu Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean Marchen \
    Medefaidrin Miao Modi Mongolian Mro Multani Myanmar Nabataean Nandinagari Newa Nko Nushu Ogham Oriya Osage Osmanya \
    Palmyrene Phoenician Rejang Runic Samaritan Saurashtra Sharada Shavian Siddham Sinhala Sogdian Soyombo Sundanese \
    Syriac Tagalog Tagbanwa Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai \
    Vithkuqi Wancho Yezidi Yi";

/// Long names of categories, in the form that names are compared in.
const ALIASES: &[(&str, &str)] = &[
    ("Casedletter", "LC"),
    ("Closepunctuation", "Pe"),
    ("Combiningmark", "M"),
    ("Connectorpunctuation", "Pc"),
    ("Control", "Cc"),
    ("Currencysymbol", "Sc"),
    ("Dashpunctuation", "Pd"),
    ("Decimalnumber", "Nd"),
    ("Enclosingmark", "Me"),
    ("Finalpunctuation", "Pf"),
    ("Format", "Cf"),
    ("Initialpunctuation", "Pi"),
    ("Letter", "L"),
    ("Letternumber", "Nl"),
    ("Lineseparator", "Zl"),
    ("Lowercaseletter", "Ll"),
    ("Mark", "M"),
    ("Mathsymbol", "Sm"),
    ("Modifierletter", "Lm"),
    ("Modifiersymbol", "Sk"),
    ("Nonspacingmark", "Mn"),
    ("Number", "N"),
    ("Openpunctuation", "Ps"),
    ("Other", "C"),
    ("Otherletter", "Lo"),
    ("Othernumber", "No"),
    ("Otherpunctuation", "Po"),
    ("Othersymbol", "So"),
    ("Paragraphseparator", "Zp"),
    ("Privateuse", "Co"),
    ("Punctuation", "P"),
    ("Separator", "Z"),
    ("Spaceseparator", "Zs"),
    ("Spacingmark", "Mc"),
    ("Surrogate", "Cs"),
    ("Symbol", "S"),
    ("Titlecaseletter", "Lt"),
    ("Unassigned", "Cn"),
    ("Uppercaseletter", "Lu"),
    ("Cntrl", "Cc"),
    ("Digit", "Nd"),
    ("Punct", "P"),
    ("Lc", "LC"),
];

/// The characters of a named class; `None` where there is no class of that name.
pub fn lookup(name: &str) -> Option<Vec<Range>> {
    let name = canonical(name);
    match name.as_str() {
        "Any" => return Some(vec![(0, class::LAST)]),
        "Ascii" => return Some(vec![(0, 0x7f)]),
        "Assigned" => return category("Cn").map(|none| class::negated(&none)),
        _ => {}
    }
    if CATEGORIES.split(' ').any(|known| known == name) {
        return category(&name);
    }
    if SCRIPTS.split_ascii_whitespace().any(|known| known == name) {
        return queried(&format!("\\p{{sc={name}}}"));
    }
    ALIASES.iter().find(|(alias, _)| *alias == name).and_then(|(_, category_name)| category(category_name))
}

/// A capital first and small letters after it, without separators.
fn canonical(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')) {
        out.push(if out.is_empty() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() });
    }
    out
}

fn category(name: &str) -> Option<Vec<Range>> {
    match name {
        // No text has surrogates, but patterns may name them.
        "Cs" => Some(vec![(0xd800, 0xdfff)]),
        "C" | "Cn" => {
            let mut found = queried(&format!("\\p{{gc={name}}}"))?;
            if name == "C" {
                found.push((0xd800, 0xdfff));
                class::clean(&mut found);
            }
            Some(found)
        }
        name => queried(&format!("\\p{{gc={name}}}")),
    }
}

fn queried(query: &str) -> Option<Vec<Range>> {
    let hir = regex_syntax::parse(query).ok()?;
    match hir.kind() {
        HirKind::Class(Class::Unicode(found)) => {
            Some(found.ranges().iter().map(|run| (u32::from(run.start()), u32::from(run.end()))).collect())
        }
        // A class of one character.
        HirKind::Literal(text) => {
            let c = std::str::from_utf8(&text.0).ok()?.chars().next()?;
            Some(vec![(u32::from(c), u32::from(c))])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known() {
        let names = CATEGORIES.split_ascii_whitespace().filter(|name| *name != "LC");
        for name in
            names.chain(SCRIPTS.split_ascii_whitespace()).chain(ALIASES.iter().map(|(alias, _)| *alias))
        {
            assert!(lookup(name).is_some_and(|found| !found.is_empty()), "{name}");
        }
        assert_eq!(lookup("upper case_Letter"), lookup("Lu"));
        assert_eq!(lookup("Old_Italic"), None);
    }
}
