//! Expressions as trees, with macros expanded.

/// Words that no identifier may be; literals have their own.
pub const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
];
const LITERALS: [&str; 3] = ["true", "false", "null"];

/// Whether a word means something of its own, and so is no name.
#[must_use]
pub fn is_reserved(word: &str) -> bool {
    RESERVED.contains(&word) || LITERALS.contains(&word)
}

/// An expression, its number (the index of facts about it), and the place of its characteristic token.
#[derive(Debug)]
pub struct Expr {
    pub id: usize,
    pub at: usize,
    pub node: SyntaxNode,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
}

#[derive(Debug)]
pub enum SyntaxNode {
    Literal(Literal),
    Ident(String),
    /// A field, or the test whether it is present.
    Select {
        operand: Box<Expr>,
        field: String,
        is_test: bool,
    },
    Call {
        function: String,
        target: Option<Box<Expr>>,
        arguments: Vec<Expr>,
    },
    /// Items, each with whether it may be missing.
    List(Vec<(Expr, bool)>),
    /// Keys and values, and whether the value may be missing.
    Map(Vec<(Expr, Expr, bool)>),
    /// A message: its name, and its fields with the places of their colons.
    Message {
        name: String,
        fields: Vec<(usize, String, Expr)>,
    },
    Comprehension(Box<Comprehension>),
    /// Something that could not be read.
    Broken,
}

/// A loop: `accu` begins as `init`, becomes `step` for each item while `condition` holds, and gives `result`.
///
/// ```text
/// l.all(x, p)   ->   range l, var x, accu @result, init true, step @result && p, result @result
/// ```
#[derive(Debug)]
pub struct Comprehension {
    pub range: Expr,
    pub var: String,
    pub second: Option<String>,
    pub accu: String,
    pub init: Expr,
    pub condition: Expr,
    pub step: Expr,
    pub result: Expr,
}

/// The accumulator of macros; no name that can be written.
pub const ACCU: &str = "@result";
/// The variable of a loop over nothing, which gives a name to a value.
pub const UNUSED: &str = "#unused";

impl Comprehension {
    /// Whether this only gives a name to a value.
    pub fn is_bind(&self) -> bool {
        matches!(&self.range.node, SyntaxNode::List(items) if items.is_empty())
            && matches!(self.condition.node, SyntaxNode::Literal(Literal::Bool(false)))
            && self.accu != ACCU
    }
}

impl Expr {
    pub const fn as_literal(&self) -> Option<&Literal> {
        match &self.node {
            SyntaxNode::Literal(literal) => Some(literal),
            _ => None,
        }
    }

    /// Visits all parts, the outermost first; `format`: whether they are arguments of `format`.
    pub fn each<'a>(&'a self, in_format: bool, visit: &mut dyn FnMut(&'a Expr, bool)) {
        visit(self, in_format);
        let mut below = |part: &'a Expr, in_format: bool| part.each(in_format, visit);
        match &self.node {
            SyntaxNode::Literal(_) | SyntaxNode::Ident(_) | SyntaxNode::Broken => {}
            SyntaxNode::Select { operand, .. } => below(operand, in_format),
            SyntaxNode::Call { function, target, arguments } => {
                let in_format = in_format || function == "format";
                target.iter().for_each(|part| below(part, in_format));
                arguments.iter().for_each(|part| below(part, in_format));
            }
            SyntaxNode::List(items) => items.iter().for_each(|(part, _)| below(part, in_format)),
            SyntaxNode::Map(entries) => {
                for (key, value, _) in entries {
                    below(key, in_format);
                    below(value, in_format);
                }
            }
            SyntaxNode::Message { fields, .. } => {
                fields.iter().for_each(|(_, _, part)| below(part, in_format))
            }
            SyntaxNode::Comprehension(comprehension) => {
                for part in [
                    &comprehension.range,
                    &comprehension.init,
                    &comprehension.condition,
                    &comprehension.step,
                    &comprehension.result,
                ] {
                    below(part, in_format);
                }
            }
        }
    }
}
