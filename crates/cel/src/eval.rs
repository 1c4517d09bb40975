//! Evaluation: the value of an expression, and its cost.

use crate::cost::{self, COST_MAX, Cost};
use crate::library::Function;
use crate::program::{ComprehensionStep, Program, ProgramStep};
use crate::syntax::Literal;
use crate::type_names::type_named;
use crate::value::{CelMap, Error, Key, List, Outcome, Text, Value, as_text, type_value};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Finds the values of variables.
pub trait Variables<'a> {
    fn find(&self, name: &str) -> Option<Outcome<'a>>;

    /// The variable of the policy that expressions name `variables.name`.
    fn variable(&self, name: &str) -> Option<Outcome<'a>>;

    /// The names of the policy's variables, in their order.
    fn variables(&self) -> Vec<&'a str>;
}

/// The value of a program, and the cost of its evaluation.
pub fn run<'a>(program: &'a Program, variables: &dyn Variables<'a>, limit: u64) -> (Outcome<'a>, u64) {
    let mut machine = Machine { variables, stack: Vec::new(), cost: 0, limit, is_stopped: false };
    let found = machine.eval(&program.root);
    (found, machine.cost)
}

struct Machine<'v, 'a> {
    variables: &'v dyn Variables<'a>,
    /// Accumulators and variables of loops.
    stack: Vec<Outcome<'a>>,
    cost: u64,
    limit: u64,
    is_stopped: bool,
}

impl<'a> Machine<'_, 'a> {
    fn charge(&mut self, cost: u64) -> Result<(), Error> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.limit {
            self.is_stopped = true;
            return Err(Error::OverLimit);
        }
        Ok(())
    }

    fn eval(&mut self, step: &'a ProgramStep) -> Outcome<'a> {
        match step {
            ProgramStep::Literal(literal) => Ok(constant(literal)),
            ProgramStep::Type(name) => {
                type_named(name).map(|operand| type_value(&operand)).ok_or_else(Error::no_overload)
            }
            ProgramStep::Variable(name) => {
                self.charge(1)?;
                let found = self.variables.find(name);
                found.unwrap_or_else(|| Err(Error::new(format!("no such attribute(s): {name}"))))
            }
            ProgramStep::Local(slot) => {
                self.charge(1)?;
                self.stack.get(*slot).cloned().unwrap_or_else(|| Err(Error::no_overload()))
            }
            ProgramStep::Select(operand, field) => {
                let operand = self.eval(operand)?;
                self.charge(u64::from(!matches!(operand, Value::Optional(None))))?;
                self.select(&operand, field)
            }
            ProgramStep::SelectOptional(operand, field) => {
                let operand = self.eval(operand)?;
                let found = self.select_optional(&operand, field);
                self.charge_present(found)
            }
            ProgramStep::Test(operand, field) => {
                let operand = self.eval(operand)?;
                self.test(&operand, field).map(Value::Bool)
            }
            ProgramStep::Index(parts) => {
                let (operand, index) = (self.eval(&parts.0)?, self.eval(&parts.1)?);
                self.charge(u64::from(!matches!(operand, Value::Optional(None))))?;
                self.at(&operand, &index)
            }
            ProgramStep::IndexOptional(parts) => {
                let (operand, index) = (self.eval(&parts.0)?, self.eval(&parts.1)?);
                let found = self.at_optional(&operand, &index);
                self.charge_present(found)
            }
            ProgramStep::Base(step) | ProgramStep::Dyn(step) => {
                let found = self.eval(step)?;
                self.charge(1)?;
                Ok(found)
            }
            ProgramStep::And(parts) => self.logic(parts, false),
            ProgramStep::Or(parts) => self.logic(parts, true),
            ProgramStep::If(parts) => self.conditional(parts),
            ProgramStep::NotFalse(operand) => self.not_false(operand),
            ProgramStep::Pattern(pattern) => Ok(Value::Pattern(pattern)),
            ProgramStep::Call(function, cost, given) => self.call(function, *cost, given),
            ProgramStep::List(items) => self.list(items),
            ProgramStep::Map(entries) => self.map(entries),
            ProgramStep::Message(name, fields) => self.message(name, fields),
            ProgramStep::Comprehension(comprehension) => self.comprehension(comprehension),
            ProgramStep::Grow(slot, parts) => self.grow(*slot, parts),
            ProgramStep::Constant(step) => {
                let cost = self.cost;
                let found = self.eval(step);
                self.cost = cost;
                found
            }
            ProgramStep::Branch(step) => {
                let found = self.eval(step);
                self.cost = self.cost.saturating_sub(1);
                found
            }
            ProgramStep::Broken => Err(Error::no_overload()),
        }
    }

    fn conditional(&mut self, parts: &'a (ProgramStep, ProgramStep, ProgramStep)) -> Outcome<'a> {
        match self.eval(&parts.0)? {
            Value::Bool(true) => self.eval(&parts.1),
            Value::Bool(false) => self.eval(&parts.2),
            _ => Err(Error::no_overload()),
        }
    }

    /// `&&` and `||`: a deciding value counts, even if the other side is an error.
    fn logic(&mut self, parts: &'a (ProgramStep, ProgramStep), decides: bool) -> Outcome<'a> {
        let first = self.eval(&parts.0);
        if matches!(first, Ok(Value::Bool(it)) if it == decides) || self.is_stopped {
            return first;
        }
        let second = self.eval(&parts.1);
        match (first, second) {
            (_, second) if self.is_stopped => second,
            (_, Ok(Value::Bool(it))) if it == decides => Ok(Value::Bool(decides)),
            (Err(why), _) | (_, Err(why)) => Err(why),
            (Ok(Value::Bool(_)), Ok(Value::Bool(_))) => Ok(Value::Bool(!decides)),
            _ => Err(Error::no_overload()),
        }
    }

    fn not_false(&mut self, operand: &'a ProgramStep) -> Outcome<'a> {
        let found = self.eval(operand);
        if self.is_stopped {
            return found;
        }
        self.charge(1)?;
        Ok(Value::Bool(!matches!(found, Ok(Value::Bool(false)))))
    }

    /// Charges for a part of a value only if it is there.
    fn charge_present(&mut self, found: Outcome<'a>) -> Outcome<'a> {
        self.charge(u64::from(matches!(found, Ok(Value::Optional(Some(_))))))?;
        found
    }

    fn call(&mut self, function: &'static Function, cost: Cost, steps: &'a [ProgramStep]) -> Outcome<'a> {
        match steps {
            [operand, other] if matches!(function.name, "or" | "orValue") => {
                self.or(function, operand, other)
            }
            [one] => {
                let given = [self.eval(one)];
                self.given(function, cost, given)
            }
            [one, two] => {
                let given = [self.eval(one), self.eval(two)];
                self.given(function, cost, given)
            }
            _ => {
                let given: Vec<_> = steps.iter().map(|step| self.eval(step)).collect();
                match given.into_iter().collect::<Result<Vec<_>, _>>() {
                    Ok(given) => self.called(function, cost, &given),
                    Err(why) => self.failed(cost, why),
                }
            }
        }
    }

    fn given<const N: usize>(
        &mut self,
        function: &'static Function,
        cost: Cost,
        given: [Outcome<'a>; N],
    ) -> Outcome<'a> {
        if let Some(why) = given.iter().find_map(|one| one.as_ref().err()) {
            return self.failed(cost, why.clone());
        }
        self.called(function, cost, &given.map(|one| one.unwrap_or(Value::Null)))
    }

    /// A call of which an argument failed costs as if its arguments had no size.
    fn failed(&mut self, cost: Cost, why: Error) -> Outcome<'a> {
        if !self.is_stopped {
            self.charge(cost.actual(&[], None))?;
        }
        Err(why)
    }

    /// The value of an optional, or else another, which is looked for only then.
    fn or(
        &mut self,
        function: &'static Function,
        operand: &'a ProgramStep,
        other: &'a ProgramStep,
    ) -> Outcome<'a> {
        match self.eval(operand)? {
            operand @ Value::Optional(Some(_)) => (function.run)(&[operand, Value::Null]),
            operand => {
                let given = [operand, self.eval(other)?];
                (function.run)(&given).map_err(|why| not_overloaded(function, &given, why))
            }
        }
    }

    fn called(&mut self, function: &'static Function, cost: Cost, given: &[Value<'a>]) -> Outcome<'a> {
        // Charged before the work is done, so that nothing goes far beyond the limit.
        let is_by_result = matches!(cost, Cost::Join | Cost::Slice | Cost::Range | Cost::Reverse);
        if is_by_result {
            let found = (function.run)(given);
            self.charge(cost.actual(given, found.as_ref().ok()))?;
            return found.map_err(|why| not_overloaded(function, given, why));
        }
        self.charge(cost.actual(given, None))?;
        (function.run)(given).map_err(|why| not_overloaded(function, given, why))
    }

    fn list(&mut self, items: &'a [(ProgramStep, bool)]) -> Outcome<'a> {
        let mut found = Vec::with_capacity(items.len());
        for (item, is_optional) in items {
            match self.eval(item)? {
                Value::Optional(inner) if *is_optional => found.extend(inner.as_deref().cloned()),
                _ if *is_optional => return Err(Error::no_overload()),
                item => found.push(item),
            }
        }
        self.charge(cost::LIST)?;
        Ok(Value::list(found))
    }

    fn map(&mut self, entries: &'a [(ProgramStep, ProgramStep, bool)]) -> Outcome<'a> {
        let mut found = BTreeMap::new();
        for (key, value, is_optional) in entries {
            let (key, value) = (self.eval(key)?, self.eval(value)?);
            match value {
                Value::Optional(None) if *is_optional => {}
                Value::Optional(Some(inner)) if *is_optional => insert(&mut found, key, (*inner).clone())?,
                _ if *is_optional => return Err(Error::no_overload()),
                value => insert(&mut found, key, value)?,
            }
        }
        self.charge(cost::MAP)?;
        Ok(Value::Map(CelMap::Own(Rc::new(found))))
    }

    fn message(&mut self, name: &'a str, fields: &'a [(String, ProgramStep)]) -> Outcome<'a> {
        let mut found = BTreeMap::new();
        for (field, step) in fields {
            let value = self.eval(step)?;
            insert(&mut found, Value::Text(Text::Borrowed(field)), value)?;
        }
        self.charge(cost::MESSAGE)?;
        let number = |name: &str| match found.get(&Key::Text(Rc::from(name))) {
            Some((_, Value::Int(number))) => *number,
            _ => 0,
        };
        let (seconds, nanos) = (number("seconds"), number("nanos"));
        match name {
            "google.protobuf.Timestamp" => {
                let nanos = u32::try_from(nanos).map_err(|_| Error::no_overload())?;
                Ok(Value::Timestamp(pintle_object::time::Time { seconds, nanos }))
            }
            "google.protobuf.Duration" => {
                let all = seconds.checked_mul(1_000_000_000).and_then(|all| all.checked_add(nanos));
                all.map(Value::Duration).ok_or_else(|| Error::new("integer overflow"))
            }
            _ => Ok(Value::Map(CelMap::Own(Rc::new(found)))),
        }
    }

    fn comprehension(&mut self, comprehension: &'a ComprehensionStep) -> Outcome<'a> {
        let range = self.eval(&comprehension.range)?;
        let init = self.eval(&comprehension.init);
        if self.is_stopped {
            return init;
        }
        let slot = self.stack.len();
        self.stack.push(init);
        let result = if comprehension.is_bind { Ok(()) } else { self.rounds(comprehension, &range, slot) };
        let result = result.and_then(|()| self.eval(&comprehension.result));
        self.stack.truncate(slot);
        result
    }

    /// All rounds of a loop; the error is one that ends everything.
    fn rounds(
        &mut self,
        comprehension: &'a ComprehensionStep,
        range: &Value<'a>,
        slot: usize,
    ) -> Result<(), Error> {
        match range {
            Value::List(list) => {
                for index in 0..list.len() {
                    let item = list.at(index).unwrap_or_else(|| Err(Error::no_overload()));
                    let vars = match comprehension.has_second {
                        true => [Some(Ok(Value::Int(index as i64))), Some(item)],
                        false => [Some(item), None],
                    };
                    if !self.round(comprehension, slot, vars)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map.entries() {
                    let second = comprehension.has_second.then_some(value);
                    if !self.round(comprehension, slot, [Some(Ok(key)), second])? {
                        break;
                    }
                }
            }
            Value::Variables => {
                for name in self.variables.variables() {
                    let value = self.variables.variable(name).unwrap_or_else(|| Err(Error::no_key(name)));
                    if !self.round(comprehension, slot, [Some(value), None])? {
                        break;
                    }
                }
            }
            other => return Err(not_iterable(other)),
        }
        Ok(())
    }

    /// One round; whether there may be another.
    fn round(
        &mut self,
        comprehension: &'a ComprehensionStep,
        slot: usize,
        vars: [Option<Outcome<'a>>; 2],
    ) -> Result<bool, Error> {
        self.stack.extend(vars.into_iter().flatten());
        let goes_on = match &comprehension.condition {
            Some(condition) => !matches!(self.eval(condition), Ok(Value::Bool(false))),
            // Without a condition nothing makes an error good again.
            None => self.stack.get(slot).is_some_and(Result::is_ok),
        };
        let found = if goes_on && !self.is_stopped { Some(self.eval(&comprehension.step)) } else { None };
        self.stack.truncate(slot + 1);
        if self.is_stopped {
            return Err(Error::OverLimit);
        }
        if let (Some(found), Some(accu)) = (found, self.stack.get_mut(slot)) {
            *accu = found;
        }
        Ok(goes_on)
    }

    fn select(&self, operand: &Value<'a>, field: &str) -> Outcome<'a> {
        match operand {
            Value::Variables => self.variables.variable(field).unwrap_or_else(|| Err(Error::no_key(field))),
            _ => select(operand, field),
        }
    }

    fn select_optional(&self, operand: &Value<'a>, field: &str) -> Outcome<'a> {
        match operand {
            Value::Variables => {
                let found = self.variables.variable(field).transpose()?;
                Ok(Value::Optional(found.map(Rc::new)))
            }
            _ => select_optional(operand, field),
        }
    }

    fn test(&self, operand: &Value<'a>, field: &str) -> Result<bool, Error> {
        match operand {
            Value::Variables => self.variables.variable(field).transpose().map(|found| found.is_some()),
            _ => test(operand, field),
        }
    }

    fn at(&self, operand: &Value<'a>, index: &Value<'a>) -> Outcome<'a> {
        match (operand, index) {
            (Value::Variables, Value::Text(name)) => self.select(operand, name),
            _ => at(operand, index),
        }
    }

    fn at_optional(&self, operand: &Value<'a>, index: &Value<'a>) -> Outcome<'a> {
        match (operand, index) {
            (Value::Variables, Value::Text(name)) => self.select_optional(operand, name),
            _ => at_optional(operand, index),
        }
    }

    fn grow(&mut self, slot: usize, parts: &'a [ProgramStep]) -> Outcome<'a> {
        let given: Result<Vec<_>, _> = parts.iter().map(|part| self.eval(part)).collect();
        let mut given = given?.into_iter();
        self.charge(2)?;
        let accu = self.stack.get_mut(slot).map(|accu| std::mem::replace(accu, Ok(Value::Null)));
        match accu.unwrap_or_else(|| Err(Error::no_overload()))? {
            Value::List(list) => {
                self.charge(cost::LIST)?;
                let mut items = match list {
                    List::Own(items) => items,
                    tree @ List::Tree(..) => tree.items()?,
                };
                Rc::make_mut(&mut items).extend(given);
                Ok(Value::List(List::Own(items)))
            }
            Value::Map(CelMap::Own(mut entries)) => {
                let found = Rc::make_mut(&mut entries);
                match (given.next(), given.next()) {
                    (Some(key), Some(value)) => insert(found, key, value)?,
                    (Some(Value::Map(more)), None) => {
                        for (key, value) in more.entries() {
                            insert(found, key, value?)?;
                        }
                    }
                    _ => return Err(Error::no_overload()),
                }
                Ok(Value::Map(CelMap::Own(entries)))
            }
            _ => Err(Error::no_overload()),
        }
    }
}

/// The error of a constant step, which is known before anything runs.
pub fn constant_error(step: &ProgramStep) -> Option<String> {
    struct Nothing;
    impl<'a> Variables<'a> for Nothing {
        fn find(&self, _: &str) -> Option<Outcome<'a>> {
            None
        }

        fn variable(&self, _: &str) -> Option<Outcome<'a>> {
            None
        }

        fn variables(&self) -> Vec<&'a str> {
            Vec::new()
        }
    }
    let mut machine =
        Machine { variables: &Nothing, stack: Vec::new(), cost: 0, limit: COST_MAX, is_stopped: false };
    machine.eval(step).err().map(|why| why.to_string())
}

/// The error of a call without a matching overload, in the words for its function: operators name the type of the left
/// side, and most functions name their arguments.
fn not_overloaded(function: &Function, given: &[Value<'_>], why: Error) -> Error {
    if why != Error::no_overload() {
        return why;
    }
    let Some(first) = given.first() else { return why };
    let is_made_for = match function.name {
        "_+_" => "string int uint double bytes list",
        "_-_" | "_*_" | "_/_" => "int uint double string",
        "_%_" => "int uint string",
        "-_" => "int double bool string",
        "_<_" | "_<=_" | "_>_" | "_>=_" => "string int uint double bool bytes",
        "!_" | "@in" | "_==_" | "_!=_" | "startsWith" | "endsWith" | "contains" | "containsIP"
        | "containsCIDR" | "matches" | "find" | "findAll" => return why,
        "size" => return Error::no_overload_of("size"),
        name => {
            let types: Vec<String> = given.iter().map(|one| one.type_name().to_string()).collect();
            return Error::no_overload_of(format!("{name}({})", types.join(", ")));
        }
    };
    let ty = first.type_name();
    let is_time = matches!(first, Value::Timestamp(_) | Value::Duration(_));
    if is_time || is_made_for.split(' ').any(|known| *known == *ty) {
        return why;
    }
    Error::no_overload_of(function.name)
}

pub fn constant(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(it) => Value::Bool(*it),
        Literal::Int(it) => Value::Int(*it),
        Literal::Uint(it) => Value::Uint(*it),
        Literal::Double(it) => Value::Double(*it),
        Literal::Text(it) => Value::Text(Text::Borrowed(it)),
        Literal::Bytes(it) => Value::Bytes(it.as_slice().into()),
    }
}

fn insert<'a>(
    into: &mut BTreeMap<Key, (Value<'a>, Value<'a>)>,
    key: Value<'a>,
    value: Value<'a>,
) -> Result<(), Error> {
    let Some(entry) = Key::of(&key) else { return Err(Error::new("unsupported key type")) };
    if into.contains_key(&entry) {
        let key_text = as_text(&key).map_or_else(|| "key".to_owned(), |text| text.to_string());
        return Err(Error::new(format!("insert failed: key {key_text} already exists")));
    }
    into.insert(entry, (key, value));
    Ok(())
}

fn select<'a>(operand: &Value<'a>, field: &str) -> Outcome<'a> {
    match operand {
        Value::Map(map) => map.field(field).unwrap_or_else(|| Err(Error::no_key(field))),
        Value::Optional(Some(inner)) => select_optional(inner, field),
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::List(_) => Err(no_index(&Value::Text(Text::Borrowed("")))),
        _ => Err(Error::no_key(field)),
    }
}

fn select_optional<'a>(operand: &Value<'a>, field: &str) -> Outcome<'a> {
    match operand {
        Value::Map(map) => map.field(field).transpose().map(|found| Value::Optional(found.map(Rc::new))),
        Value::Optional(Some(inner)) => select_optional(inner, field),
        Value::Variables => Err(Error::no_overload()),
        Value::List(_) => Err(no_index(&Value::Text(Text::Borrowed("")))),
        _ => Ok(Value::Optional(None)),
    }
}

fn test(operand: &Value<'_>, field: &str) -> Result<bool, Error> {
    match operand {
        Value::Map(map) => match map.field(field) {
            Some(Ok(Value::Optional(inner))) => Ok(inner.is_some()),
            // A field that holds nothing that fits is there.
            Some(_) => Ok(true),
            None => Ok(false),
        },
        Value::Optional(Some(inner)) => test(inner, field),
        Value::Variables => Err(Error::no_overload()),
        Value::List(_) => Err(no_index(&Value::Text(Text::Borrowed("")))),
        _ => Ok(false),
    }
}

fn at<'a>(operand: &Value<'a>, index: &Value<'a>) -> Outcome<'a> {
    match operand {
        Value::List(list) => {
            let position = position(index)?;
            let found = usize::try_from(position).ok().and_then(|position| list.at(position));
            found.unwrap_or_else(|| Err(Error::new(format!("index out of bounds: {position}"))))
        }
        Value::Map(map) => map.find(index).unwrap_or_else(|| {
            let key_text = as_text(index);
            Err(Error::no_key(key_text.as_deref().unwrap_or_default()))
        }),
        Value::Optional(Some(inner)) => at_optional(inner, index),
        Value::Optional(None) => Ok(Value::Optional(None)),
        Value::Variables => Err(Error::no_overload()),
        _ => {
            let key_text = as_text(index);
            Err(Error::no_key(key_text.as_deref().unwrap_or_default()))
        }
    }
}

fn position(index: &Value<'_>) -> Result<i64, Error> {
    match index {
        Value::Int(position) => Ok(*position),
        Value::Uint(position) => {
            i64::try_from(*position).map_err(|_| Error::new("unsigned integer overflow"))
        }
        Value::Double(position) if position.fract() == 0.0 => Ok(*position as i64),
        other => Err(no_index(other)),
    }
}

/// The error of a loop over a value that is no collection, with the reference's name of its type.
fn not_iterable(operand: &Value<'_>) -> Error {
    let name = match operand {
        Value::Null => "types.Null",
        Value::Bool(_) => "types.Bool",
        Value::Int(_) => "types.Int",
        Value::Uint(_) => "types.Uint",
        Value::Double(_) => "types.Double",
        Value::Text(_) => "types.String",
        Value::Bytes(_) => "types.Bytes",
        Value::Timestamp(_) => "types.Timestamp",
        Value::Duration(_) => "types.Duration",
        Value::Optional(_) => "*types.Optional",
        _ => return Error::no_overload(),
    };
    Error::new(format!("got '{name}', expected iterable type"))
}

fn no_index(index: &Value<'_>) -> Error {
    Error::new(format!("unsupported index type '{}' in list", &*index.type_name()))
}

fn at_optional<'a>(operand: &Value<'a>, index: &Value<'a>) -> Outcome<'a> {
    let found = match operand {
        Value::List(list) => usize::try_from(position(index)?).ok().and_then(|position| list.at(position)),
        Value::Map(map) => map.find(index),
        Value::Optional(Some(inner)) => return at_optional(inner, index),
        Value::Variables => return Err(Error::no_overload()),
        _ => None,
    };
    found.transpose().map(|found| Value::Optional(found.map(Rc::new)))
}
