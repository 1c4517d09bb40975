//! From tokens to trees, with the messages of upstream's generated parser.

use crate::lexer::{self, Token, TokenKind};
use crate::literal;
use crate::macros::{self, Maker};
use crate::problem::Problem;
use crate::syntax::{Expr, Literal, RESERVED, SyntaxNode};

const FIRSTS: &str = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, \
                      BYTES, IDENTIFIER}";
const ARGUMENTS: &str = "{'[', '{', '(', ')', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, \
                         STRING, BYTES, IDENTIFIER}";
const FIELDS: &str = "{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}";
const DEPTH_MAX: usize = 250;
const LINKS_MAX: usize = 2000;

/// Operators of two sides, the loosest first, with the names of their functions.
const LEVELS: [&[(&str, &str)]; 5] = [
    &[("||", "_||_")],
    &[("&&", "_&&_")],
    &[
        ("<", "_<_"),
        ("<=", "_<=_"),
        (">=", "_>=_"),
        (">", "_>_"),
        ("==", "_==_"),
        ("!=", "_!=_"),
        ("in", "@in"),
    ],
    &[("+", "_+_"), ("-", "_-_")],
    &[("*", "_*_"), ("/", "_/_"), ("%", "_%_")],
];

struct Parser {
    tokens: Vec<Token>,
    position: usize,
    depth: usize,
    /// Expressions so far; each has its number.
    count: usize,
    /// Operators and fields so far: no tree is deeper by more than these.
    links: usize,
    /// Whether `cel.bind` is a macro.
    has_bind: bool,
    problems: Vec<Problem>,
    /// Whether nothing fitted since the last problem: then there is no further message.
    is_lost: bool,
}

/// The tree of an expression, unless it is longer than anyone writes them.
pub fn parse(source: &[char], has_bind: bool) -> Result<Option<Tree>, Vec<Problem>> {
    let (tokens, problems) = lexer::tokens(source);
    let mut parser =
        Parser { tokens, position: 0, depth: 0, count: 0, links: 0, has_bind, problems, is_lost: false };
    let tree = parser.expression();
    if parser.links > LINKS_MAX {
        return Ok(None);
    }
    let token = parser.token();
    if token.kind != TokenKind::End {
        let is_last = parser.tokens.get(parser.position + 1).is_some_and(|next| next.kind == TokenKind::End);
        let what = if is_last { "extraneous" } else { "mismatched" };
        parser.report(&token, format!("{what} input '{}' expecting <EOF>", token.text));
    }
    let count = parser.count;
    if parser.problems.is_empty() { Ok(Some(Tree { root: tree, count })) } else { Err(parser.problems) }
}

/// An expression and how many there are in it; their numbers are below that.
pub struct Tree {
    pub root: Expr,
    pub count: usize,
}

impl Maker for Parser {
    fn make(&mut self, at: usize, node: SyntaxNode) -> Expr {
        self.count += 1;
        Expr { id: self.count - 1, at, node }
    }

    /// An error after which parsing continues.
    fn mistake(&mut self, at: usize, message: String) -> Expr {
        self.problems.push(Problem { at, message });
        self.make(at, SyntaxNode::Broken)
    }
}

impl Parser {
    fn token(&self) -> Token {
        let last = self.tokens.len() - 1;
        self.tokens[self.position.min(last)].clone()
    }

    fn next(&self) -> Option<&Token> {
        self.tokens.get(self.position + 1)
    }

    fn is(&self, sign: &str) -> bool {
        self.tokens
            .get(self.position)
            .is_some_and(|token| token.kind == TokenKind::Sign && token.text == sign)
    }

    fn advance(&mut self) -> Token {
        let token = self.token();
        self.is_lost = false;
        if token.kind != TokenKind::End {
            self.position += 1;
        }
        token
    }

    /// Whether the expression has become too long; then its rest is left out.
    fn gives_up(&mut self) -> bool {
        self.links += 1;
        let is_over = self.links > LINKS_MAX;
        if is_over {
            self.position = self.tokens.len() - 1;
        }
        is_over
    }

    fn takes(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        if is {
            self.advance();
        }
        is
    }

    fn report(&mut self, token: &Token, message: String) {
        if !self.is_lost {
            self.problems.push(Problem { at: token.at, message: format!("Syntax error: {message}") });
        }
        self.is_lost = true;
    }

    fn call(&mut self, at: usize, function: &str, arguments: Vec<Expr>) -> Expr {
        self.make(at, SyntaxNode::Call { function: function.to_owned(), target: None, arguments })
    }

    /// Skips to a token that may follow an expression.
    fn skip(&mut self) {
        let follows = |token: &Token| match token.kind {
            TokenKind::End => true,
            TokenKind::Sign => !["!", "(", "{"].contains(&token.text.as_str()),
            _ => false,
        };
        while !follows(&self.token()) {
            self.position += 1;
        }
    }

    fn closes(&mut self, sign: &str) {
        if self.takes(sign) {
            return;
        }
        let token = self.token();
        let is_next = self.next().is_some_and(|next| next.kind == TokenKind::Sign && next.text == sign);
        if is_next {
            self.report(&token, format!("extraneous input '{}' expecting '{sign}'", token.text));
            self.position += 1;
            self.advance();
        } else if token.kind == TokenKind::End || token.kind == TokenKind::Sign {
            self.report(&token, format!("missing '{sign}' at '{}'", token.text));
        } else {
            self.report(&token, format!("mismatched input '{}' expecting '{sign}'", token.text));
            self.skip();
        }
    }

    fn expression(&mut self) -> Expr {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let token = self.token();
            self.position = self.tokens.len() - 1;
            self.is_lost = true;
            self.depth -= 1;
            let message = format!("expression recursion limit exceeded: {DEPTH_MAX}");
            return self.mistake(token.at, message);
        }
        let condition = self.level(0);
        let tree = if self.is("?") {
            let at = self.advance().at;
            let then = self.level(0);
            self.closes(":");
            let otherwise = self.expression();
            self.call(at, "_?_:_", vec![condition, then, otherwise])
        } else {
            condition
        };
        self.depth -= 1;
        tree
    }

    fn level(&mut self, level: usize) -> Expr {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1);
        loop {
            let token = self.token();
            let found =
                operators.iter().find(|(sign, _)| token.kind == TokenKind::Sign && *sign == token.text);
            let Some((_, function)) = found else { return left };
            if self.gives_up() {
                return left;
            }
            self.advance();
            let right = self.level(level + 1);
            left = self.call(token.at, function, vec![left, right]);
        }
    }

    fn is_first(token: &Token) -> bool {
        match token.kind {
            TokenKind::Sign => ["[", "{", "(", ".", "-", "!"].contains(&token.text.as_str()),
            TokenKind::Escaped | TokenKind::End => false,
            _ => true,
        }
    }

    fn unary(&mut self) -> Expr {
        let token = self.token();
        if !Self::is_first(&token) {
            if !self.next().is_some_and(Self::is_first) {
                self.report(&token, format!("mismatched input '{}' expecting {FIRSTS}", token.text));
                self.skip();
                return self.make(token.at, SyntaxNode::Broken);
            }
            self.report(&token, format!("extraneous input '{}' expecting {FIRSTS}", token.text));
            self.position += 1;
        }
        let is_number =
            self.next().is_some_and(|next| matches!(next.kind, TokenKind::Int | TokenKind::Float));
        let sign = ["!", "-"].into_iter().find(|sign| self.is(sign) && !(*sign == "-" && is_number));
        let Some(sign) = sign else { return self.member() };
        let at = self.token().at;
        let mut times = 0;
        while self.takes(sign) {
            times += 1;
        }
        let operand = self.member();
        let function = if sign == "!" { "!_" } else { "-_" };
        if times % 2 == 0 { operand } else { self.call(at, function, vec![operand]) }
    }

    fn member(&mut self) -> Expr {
        let mut operand = self.primary();
        loop {
            if self.gives_up() {
                return operand;
            }
            if self.is(".") {
                let dot = self.advance();
                let is_optional = self.takes("?");
                let name = self.token();
                if !matches!(name.kind, TokenKind::Ident | TokenKind::Escaped) {
                    let end = if name.kind == TokenKind::End { "" } else { name.text.as_str() };
                    self.report(&name, format!("no viable alternative at input '.{end}'"));
                    self.skip();
                    return self.make(dot.at, SyntaxNode::Broken);
                }
                self.advance();
                if name.kind == TokenKind::Escaped {
                    let message = "unsupported syntax: '`'".to_owned();
                    self.problems.push(Problem { at: name.at, message });
                }
                let field = name.text.trim_matches('`').to_owned();
                if self.is("(") && name.kind == TokenKind::Ident && !is_optional {
                    let at = self.advance().at;
                    let arguments = self.list(")", ARGUMENTS);
                    operand = self.called(at, field, Some(operand), arguments);
                } else {
                    operand = self.select(dot.at, operand, field, is_optional);
                }
            } else if self.is("[") {
                let at = self.advance().at;
                let function = if self.takes("?") { "_[?_]" } else { "_[_]" };
                let index = self.expression();
                self.closes("]");
                operand = self.call(at, function, vec![operand, index]);
            } else {
                return operand;
            }
        }
    }

    fn select(&mut self, at: usize, operand: Expr, field: String, is_optional: bool) -> Expr {
        if is_optional {
            let field = self.make(at, SyntaxNode::Literal(Literal::Text(field)));
            return self.call(at, "_?._", vec![operand, field]);
        }
        self.make(at, SyntaxNode::Select { operand: Box::new(operand), field, is_test: false })
    }

    /// Expressions up to a sign, each perhaps optional in literals.
    fn list(&mut self, end: &str, expected: &str) -> Vec<(Expr, bool)> {
        let mut found = Vec::new();
        if self.token().kind == TokenKind::End {
            let token = self.token();
            self.report(&token, format!("mismatched input '<EOF>' expecting {expected}"));
            return found;
        }
        while !self.is(end) && self.token().kind != TokenKind::End {
            let is_optional = end == "]" && self.takes("?");
            found.push((self.expression(), is_optional));
            if !self.takes(",") {
                break;
            }
        }
        self.closes(end);
        found
    }

    fn primary(&mut self) -> Expr {
        let token = self.advance();
        let at = token.at;
        match (token.kind, token.text.as_str()) {
            (TokenKind::Ident, "true") => self.make(at, SyntaxNode::Literal(Literal::Bool(true))),
            (TokenKind::Ident, "false") => self.make(at, SyntaxNode::Literal(Literal::Bool(false))),
            (TokenKind::Ident, "null") => self.make(at, SyntaxNode::Literal(Literal::Null)),
            (TokenKind::Ident, _) => self.named(token.text, at),
            (TokenKind::Int | TokenKind::Uint | TokenKind::Float | TokenKind::Text | TokenKind::Bytes, _) => {
                self.literal(at, &token, false)
            }
            (TokenKind::Sign, "-") => {
                let number = self.advance();
                self.literal(at, &number, true)
            }
            (TokenKind::Sign, ".") if self.token().kind == TokenKind::Ident => {
                let name = self.advance();
                self.named(name.text, name.at)
            }
            (TokenKind::Sign, "(") => {
                let inner = self.expression();
                self.closes(")");
                inner
            }
            (TokenKind::Sign, "[") => {
                let items = self.list("]", FIRSTS);
                self.make(at, SyntaxNode::List(items))
            }
            (TokenKind::Sign, "{") => self.map(at),
            _ => {
                self.report(&token, format!("no viable alternative at input '{}'", token.text));
                self.skip();
                self.make(at, SyntaxNode::Broken)
            }
        }
    }

    fn literal(&mut self, at: usize, token: &Token, is_negative: bool) -> Expr {
        match literal::read(token.kind, &token.text, is_negative) {
            Ok(literal) => self.make(at, SyntaxNode::Literal(literal)),
            Err(why) => self.mistake(at, why.to_owned()),
        }
    }

    /// A variable, a function or a message.
    fn named(&mut self, name: String, at: usize) -> Expr {
        if self.is("(") {
            let at = self.advance().at;
            let arguments = self.list(")", ARGUMENTS);
            return self.called(at, name, None, arguments);
        }
        let rest: Vec<&Token> = self.tokens.iter().skip(self.position).collect();
        let parts = rest.chunks(2).take_while(|pair| match pair {
            [dot, part] => dot.kind == TokenKind::Sign && dot.text == "." && part.kind == TokenKind::Ident,
            _ => false,
        });
        let names: Vec<String> = parts.map(|pair| pair[1].text.clone()).collect();
        let brace =
            rest.get(names.len() * 2).filter(|token| token.kind == TokenKind::Sign && token.text == "{");
        if let Some(brace) = brace.map(|brace| brace.at) {
            self.position += names.len() * 2 + 1;
            let full = std::iter::once(name).chain(names).collect::<Vec<_>>().join(".");
            return self.message(full, brace);
        }
        if RESERVED.contains(&name.as_str()) {
            return self.mistake(at, format!("reserved identifier: {name}"));
        }
        self.make(at, SyntaxNode::Ident(name))
    }

    fn message(&mut self, name: String, at: usize) -> Expr {
        let mut fields = Vec::new();
        while !self.is("}") {
            self.takes("?");
            let field = self.token();
            if !matches!(field.kind, TokenKind::Ident | TokenKind::Escaped) {
                self.report(&field, format!("mismatched input '{}' expecting {FIELDS}", field.text));
                self.skip();
                return self.make(at, SyntaxNode::Broken);
            }
            self.advance();
            let colon = self.token().at;
            self.closes(":");
            let value = self.expression();
            fields.push((colon, field.text.trim_matches('`').to_owned(), value));
            if !self.takes(",") {
                break;
            }
        }
        self.closes("}");
        self.make(at, SyntaxNode::Message { name, fields })
    }

    fn map(&mut self, at: usize) -> Expr {
        let mut entries = Vec::new();
        while !self.is("}") && self.token().kind != TokenKind::End {
            let is_optional = self.takes("?");
            let key = self.expression();
            self.closes(":");
            entries.push((key, self.expression(), is_optional));
            if !self.takes(",") {
                break;
            }
        }
        self.closes("}");
        self.make(at, SyntaxNode::Map(entries))
    }

    /// A call; macros are expanded.
    fn called(
        &mut self,
        at: usize,
        function: String,
        target: Option<Expr>,
        arguments: Vec<(Expr, bool)>,
    ) -> Expr {
        let mut arguments: Vec<Expr> = arguments.into_iter().map(|(argument, _)| argument).collect();
        if let Some(target) = target {
            let has_bind = self.has_bind;
            return macros::expanded(self, at, function, target, arguments, has_bind);
        }
        if function != "has" || arguments.len() != 1 {
            return self.make(at, SyntaxNode::Call { function, target: None, arguments });
        }
        let operand = arguments.remove(0);
        let argument_at = operand.at;
        match operand.node {
            SyntaxNode::Select { operand, field, .. } => {
                self.make(at, SyntaxNode::Select { operand, field, is_test: true })
            }
            SyntaxNode::Broken => self.make(at, SyntaxNode::Broken),
            _ => self.mistake(argument_at, "invalid argument to has() macro".to_owned()),
        }
    }
}
