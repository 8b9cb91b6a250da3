//! The variables of the policy language: which exist, of what type, and where they have a value.
//!
//! One line for each, in the order of ngrok's documentation. A name can be a text and have fields, as
//! `req.url` has. From the lines follow the tree the checker resolves names in, the environments of phases
//! and protocols, and the list of facts that hosts answer for.
//!
//! Source: ngrok documentation, Traffic Policy variables (2026-08-07).

mod conn;
mod endpoint;
mod req;
mod res;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, OnceLock};

use crate::actions;
use crate::cel::library::overload::Overload;
use crate::cel::{Env, Fact, Role, Standing, Tree, TreeLeaf, TreeNode, Type};
use crate::dialect;
use crate::phase::{Phase, PhaseSet};
use crate::url::Scheme;
use crate::vocabulary::{Declared, Where, result_path, tag};

pub use crate::vocabulary::Site;

static FAMILIES: &[&[Declared]] = &[
    conn::DECLARED,
    conn::HANDSHAKE,
    conn::CLIENT_IP,
    conn::SERVER_IP,
    conn::CLIENT_CERTIFICATE,
    conn::SERVER_CERTIFICATE,
    endpoint::DECLARED,
    req::DECLARED,
    res::DECLARED,
    state::DECLARED,
];

/// Every declared line, the results of actions after the rest.
fn families() -> impl Iterator<Item = &'static Declared> {
    let results = actions::RESULTS.iter().chain(actions::MORE_RESULTS.iter().copied().flatten());
    FAMILIES.iter().chain(results).copied().flatten()
}

/// The tree, the roots and the facts.
struct Declarations {
    tree: Arc<Tree>,
    roots: Vec<(&'static str, u16)>,
    facts: Vec<(Fact, Type)>,
    /// Where the nodes of the tree have a value, by their index; none for objects.
    places: Vec<Option<Where>>,
}

static DECLARATIONS: LazyLock<Declarations> = LazyLock::new(declarations);

fn declarations() -> Declarations {
    let mut tree = Tree { nodes: Vec::new(), by_path: HashMap::new() };
    let mut roots = Vec::new();
    let (mut facts, mut places) = (Vec::new(), Vec::new());
    let all = || families();
    // Names first: types may name records that are declared later.
    for declared in all() {
        let mut parent: Option<u16> = None;
        for path in prefixes(declared.path()) {
            let name = path.rsplit('.').next().unwrap_or(path);
            let index = match tree.by_path.get(path) {
                Some(index) => *index,
                None => {
                    let index = u16::try_from(tree.nodes.len()).unwrap_or(u16::MAX);
                    tree.nodes.push(TreeNode {
                        path,
                        children: Vec::new(),
                        leaf: None,
                        result: result_path(path),
                    });
                    tree.by_path.insert(path, index);
                    match parent.and_then(|parent| tree.nodes.get_mut(usize::from(parent))) {
                        Some(parent) => parent.children.push((name, index)),
                        None if name.starts_with(char::is_lowercase) => roots.push((name, index)),
                        None => {}
                    }
                    index
                }
            };
            parent = Some(index);
        }
    }
    let named = |name: &str| {
        let record = tree.find(name).filter(|_| name.starts_with(char::is_uppercase))?;
        Some(tree.type_of(record))
    };
    let types: Vec<Type> =
        all().map(|declared| Type::parse_with(declared.ty, &named).unwrap_or(Type::Error)).collect();
    places.resize(tree.nodes.len(), None);
    for (declared, ty) in all().zip(types) {
        let id = u16::try_from(facts.len()).unwrap_or(u16::MAX);
        let fact = is_fact(declared.path()).then(|| fact_of(declared, id));
        if let Some(fact) = fact {
            facts.push((fact, ty.clone()));
        }
        let Some(index) = tree.by_path.get(declared.path()).map(|index| usize::from(*index)) else {
            continue;
        };
        if let (Some(node), Some(place)) = (tree.nodes.get_mut(index), places.get_mut(index)) {
            node.leaf = Some(TreeLeaf { fact, ty });
            *place = Some(declared.at);
        }
    }
    Declarations { tree: Arc::new(tree), roots, facts, places }
}

/// The fact of a line. Results of actions are known by their paths.
fn fact_of(declared: &'static Declared, id: u16) -> Fact {
    let (role, tag) = match result_path(declared.path()) {
        Some(of) => (Role::Result(u8::try_from(of.len()).unwrap_or(u8::MAX)), tag::STATE),
        None => (declared.role, declared.tag),
    };
    Fact { id, optional: declared.optional, tag, role, about: &declared.about }
}

/// False for the fields of records, whose names begin with a capital.
fn is_fact(path: &str) -> bool {
    !path.starts_with(|first: char| first.is_ascii_uppercase())
}

/// `a`, `a.b`, `a.b.c`.
fn prefixes(path: &'static str) -> impl Iterator<Item = &'static str> {
    let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
    ends.filter_map(|end| path.get(..end))
}

/// A place, as the checker of expressions asks for it.
#[derive(Debug)]
struct AtSite(Site);

impl Standing for AtSite {
    fn lacks(&self, node: u16) -> Option<(String, String)> {
        let place = DECLARATIONS.places.get(usize::from(node)).copied().flatten()?;
        self.0.lacks(place)
    }

    fn refuses(&self, overload: &Overload) -> Option<(String, String)> {
        self.0.refuses(dialect::phases(overload))
    }
}

/// The environment of expressions at a place. Built once for each kind of place.
///
/// ```
/// use policy_core::{phase::Phase, variables::{Site, env}};
/// let env = env(Site { phase: Some(Phase::OnTcpConnect), ..Site::default() });
/// assert!(env.check("conn.client_port > 1024").1.is_empty());
/// assert!(env.check("req.method == 'GET'").1.has_errors());
/// ```
#[must_use]
pub fn env(site: Site) -> &'static Env {
    const PLACES: usize = (Phase::ALL.len() + 1) * (Scheme::ALL.len() + 1) * 4;
    static ENVS: [OnceLock<Env>; PLACES] = [const { OnceLock::new() }; PLACES];
    static NONE: OnceLock<Env> = OnceLock::new();
    let place = |found: Option<usize>| found.map_or(0, |at| at + 1);
    let phase = place(site.phase.and_then(|phase| Phase::ALL.iter().position(|other| *other == phase)));
    let scheme = place(site.scheme.and_then(|scheme| Scheme::ALL.iter().position(|other| *other == scheme)));
    let place = (phase * (Scheme::ALL.len() + 1) + scheme) * 4
        + usize::from(site.retry) * 2
        + usize::from(site.public);
    let slot = ENVS.get(place).unwrap_or(&NONE);
    slot.get_or_init(|| {
        let tree = Arc::clone(&DECLARATIONS.tree);
        Env::new(dialect::language(), tree, &DECLARATIONS.roots, Arc::new(AtSite(site)))
    })
}

/// Every fact, in the order of its index.
pub fn facts() -> impl Iterator<Item = Fact> {
    DECLARATIONS.facts.iter().map(|(fact, _)| *fact)
}

/// The fact of a path such as `conn.client_ip`.
#[must_use]
pub fn fact(path: &str) -> Option<Fact> {
    let node = DECLARATIONS.tree.find(path)?;
    DECLARATIONS.tree.node(node)?.leaf.as_ref()?.fact
}

/// The type of a fact.
#[must_use]
pub fn type_of(fact: Fact) -> &'static Type {
    DECLARATIONS.facts.get(fact.index()).map_or(&Type::Error, |(_, ty)| ty)
}

/// A declared variable, for documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Variable {
    /// How it is written.
    pub path: &'static str,
    /// Its type.
    pub ty: &'static str,
    /// One sentence.
    pub doc: &'static str,
    /// The phases in which it has a value.
    pub phases: PhaseSet,
    /// True if a connection or request may lack it.
    pub optional: bool,
}

/// Every variable and every field of a record, in documentation order.
pub fn all() -> impl Iterator<Item = Variable> {
    families().map(|declared| Variable {
        path: declared.path(),
        ty: declared.ty,
        doc: declared.doc,
        phases: declared.at.phases,
        optional: declared.optional,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cel::Object;

    #[test]
    fn every_line_is_sound() {
        let mut seen = std::collections::HashSet::new();
        for variable in all() {
            assert!(seen.insert(variable.path), "{} stands twice", variable.path);
            assert!(!variable.doc.ends_with('.') && variable.doc.len() > 5, "{}", variable.path);
        }
        for fact in facts() {
            assert_ne!(*type_of(fact), Type::Error, "{fact}");
            assert_eq!(super::fact(fact.path()), Some(fact));
        }
        assert!(facts().count() > 180, "{}", facts().count());
    }

    #[test]
    fn a_name_can_be_a_text_and_an_object() {
        let tree = &DECLARATIONS.tree;
        let of = |path: &str| tree.type_of(tree.find(path).expect(path));
        assert!(matches!(of("req.url"), Type::Object(Object { text: true, .. })));
        assert!(matches!(of("conn"), Type::Object(Object { text: false, .. })));
        assert_eq!(of("conn.client_port"), Type::Int);
        assert_eq!(of("req.cookies").to_string(), "map(string, list(object Cookie))");
    }
}
