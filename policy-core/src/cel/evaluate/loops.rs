//! Macros over lists and maps.

use std::sync::Arc;

use super::{Evaluated, Interpreter, Raised, no_overload};
use crate::cel::check::code::{Loop, LoopKind, NodeId};
use crate::cel::library::overload::Call;
use crate::cel::library::sort_by;
use crate::cel::syntax::macros::Macro;
use crate::cel::values::host::ITEM;
use crate::cel::values::value::{Map, Value};

/// What a macro goes over.
enum IterRange {
    List(Arc<[Value]>),
    Map(Arc<Map>),
}

impl IterRange {
    /// The first and second variable for each item: position and item, or key and value.
    fn pairs(&self) -> Box<dyn Iterator<Item = (Value, Value)> + '_> {
        match self {
            Self::List(items) => Box::new((0..).map(Value::Int).zip(items.iter().cloned())),
            Self::Map(map) => Box::new(map.iter().map(|(key, value)| (key.clone(), value.clone()))),
        }
    }
}

impl Interpreter<'_, '_> {
    #[inline(never)]
    pub(super) fn run_loop(&mut self, id: NodeId, range: Value, of: &Loop) -> Evaluated {
        let items = match range {
            Value::List(items) => IterRange::List(items),
            Value::Map(map) if !matches!(of.kind, LoopKind::SortBy(_)) => IterRange::Map(map),
            other => return Err(Raised { fault: no_overload("a macro", &[other]), at: id }),
        };
        match of.kind {
            LoopKind::All(body) => self.quantified(id, &items, of, body, false),
            LoopKind::Exists(body) => self.quantified(id, &items, of, body, true),
            LoopKind::ExistsOne(body) => {
                let mut count = 0_u64;
                self.each(id, &items, of, |this, _| {
                    count += u64::from(this.holds(id, body)?);
                    Ok(true)
                })?;
                Ok(Value::Bool(count == 1))
            }
            LoopKind::Filter(body) => {
                let mut out = Vec::new();
                self.each(id, &items, of, |this, item| {
                    if this.holds(id, body)? {
                        this.make(id, 1)?;
                        out.push(item.clone());
                    }
                    Ok(true)
                })?;
                Ok(Value::list(out))
            }
            LoopKind::List { filter, item } => {
                let mut out = Vec::new();
                self.each(id, &items, of, |this, _| {
                    if this.passes(id, filter)? {
                        this.make(id, 1)?;
                        out.push(this.eval(item)?);
                    }
                    Ok(true)
                })?;
                Ok(Value::list(out))
            }
            LoopKind::Map { filter, value } => self.map_values(id, &items, of, filter, value),
            LoopKind::Entries { filter, entry } => self.map_entries(id, &items, of, filter, entry),
            LoopKind::SortBy(key) => self.sort_by(id, &items, of, key),
        }
    }

    /// Binds the variables to each item in turn, until `each` says no.
    fn each(
        &mut self,
        id: NodeId,
        items: &IterRange,
        of: &Loop,
        mut each: impl FnMut(&mut Self, &Value) -> Result<bool, Raised>,
    ) -> Result<(), Raised> {
        for (first, second) in items.pairs() {
            self.step(id)?;
            // With one variable, it is the item of a list or the key of a map.
            let single = if matches!(items, IterRange::List(_)) { second.clone() } else { first.clone() };
            match of.second {
                Some(slot) => {
                    self.set(of.first, first);
                    self.set(slot, second);
                }
                None => self.set(of.first, single.clone()),
            }
            if !each(self, &single)? {
                break;
            }
        }
        Ok(())
    }

    fn holds(&mut self, id: NodeId, body: NodeId) -> Result<bool, Raised> {
        match self.eval(body)? {
            Value::Bool(value) => Ok(value),
            other => Err(Raised { fault: no_overload("a condition", &[other]), at: id }),
        }
    }

    fn passes(&mut self, id: NodeId, filter: Option<NodeId>) -> Result<bool, Raised> {
        filter.map_or(Ok(true), |filter| self.holds(id, filter))
    }

    /// `all` and `exists`: an item that decides absorbs the errors of the others.
    fn quantified(
        &mut self,
        id: NodeId,
        items: &IterRange,
        of: &Loop,
        body: NodeId,
        decisive: bool,
    ) -> Evaluated {
        let mut decided = false;
        let mut raised = None;
        self.each(id, items, of, |this, _| {
            match this.holds(id, body) {
                Ok(value) => decided = value == decisive,
                Err(error) if error.fault.is_final() => return Err(error),
                Err(error) => drop(raised.get_or_insert(error)),
            }
            Ok(!decided)
        })?;
        match raised {
            _ if decided => Ok(Value::Bool(decisive)),
            Some(raised) => Err(raised),
            None => Ok(Value::Bool(!decisive)),
        }
    }

    fn map_values(
        &mut self,
        id: NodeId,
        items: &IterRange,
        of: &Loop,
        filter: Option<NodeId>,
        value: NodeId,
    ) -> Evaluated {
        let mut map = Map::default();
        self.each(id, items, of, |this, _| {
            if this.passes(id, filter)? {
                this.make(id, 2)?;
                let key = this.local(of.first)?;
                let value = this.eval(value)?;
                map.insert(key, value).map_err(|fault| Raised { fault, at: id })?;
            }
            Ok(true)
        })?;
        Ok(Value::Map(map.into()))
    }

    fn map_entries(
        &mut self,
        id: NodeId,
        items: &IterRange,
        of: &Loop,
        filter: Option<NodeId>,
        entry: NodeId,
    ) -> Evaluated {
        let mut map = Map::default();
        self.each(id, items, of, |this, _| {
            if !this.passes(id, filter)? {
                return Ok(true);
            }
            let entries = match this.eval(entry)? {
                Value::Map(entries) => entries,
                other => {
                    return Err(Raised {
                        fault: no_overload(Macro::TransformMapEntry.name(), &[other]),
                        at: id,
                    });
                }
            };
            this.make(id, entries.len() * 2)?;
            for (key, value) in entries.iter() {
                map.insert(key.clone(), value.clone()).map_err(|fault| Raised { fault, at: id })?;
            }
            Ok(true)
        })?;
        Ok(Value::Map(map.into()))
    }

    fn sort_by(&mut self, id: NodeId, items: &IterRange, of: &Loop, key: NodeId) -> Evaluated {
        let (mut values, mut keys) = (Vec::new(), Vec::new());
        self.each(id, items, of, |this, item| {
            this.make(id, 2)?;
            values.push(item.clone());
            keys.push(this.eval(key)?);
            Ok(true)
        })?;
        let arguments = [Value::list(values), Value::list(keys)];
        self.budget.output(ITEM).map_err(|fault| Raised { fault, at: id })?;
        let mut call = Call { arguments: &arguments, budget: &mut self.budget, host: &mut *self.host };
        sort_by(&mut call).map_err(|fault| Raised { fault, at: id })
    }
}
