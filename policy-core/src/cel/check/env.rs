//! What an expression may name: variables, objects, functions, types.
//!
//! Names are resolved as CEL does: the longest declared prefix of `a.b.c` wins, the container is tried
//! before the outside, and variables of macros hide everything (CEL specification, name resolution).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::cel::library::Library;
use crate::cel::library::overload::Overload;
use crate::cel::values::fact::Fact;
use crate::cel::values::types::{Object, Type};

/// A declared leaf of the tree.
#[derive(Clone, Debug)]
pub(crate) struct TreeLeaf {
    /// `None` for a field of a record: its value comes with the record.
    pub(crate) fact: Option<Fact>,
    pub(crate) ty: Type,
}

/// A name with what stands below it.
#[derive(Clone, Debug)]
pub(crate) struct TreeNode {
    pub(crate) path: &'static str,
    pub(crate) children: Vec<(&'static str, u16)>,
    pub(crate) leaf: Option<TreeLeaf>,
    /// The path of the action whose results these are.
    pub(crate) result: Option<&'static str>,
}

/// The declared variables as a tree; its roots are the first names, `conn`, and the records, `Cookie`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<TreeNode>,
    pub(crate) by_path: HashMap<&'static str, u16>,
}

impl Tree {
    pub(crate) fn node(&self, index: u16) -> Option<&TreeNode> {
        self.nodes.get(index as usize)
    }

    pub(crate) fn child(&self, of: u16, name: &str) -> Option<u16> {
        self.node(of)?.children.iter().find(|(child, _)| *child == name).map(|(_, index)| *index)
    }

    /// The node of a dotted path; records are roots, by their names.
    pub(crate) fn find(&self, path: &str) -> Option<u16> {
        self.by_path.get(path).copied()
    }

    /// The type of a node: what its leaf says, or an object.
    pub(crate) fn type_of(&self, index: u16) -> Type {
        let Some(node) = self.node(index) else { return Type::Error };
        match (&node.leaf, node.children.is_empty()) {
            (Some(leaf), true) => leaf.ty.clone(),
            (leaf, _) => Type::Object(Object { node: index, text: leaf.is_some(), name: node.path }),
        }
    }
}

/// Where an expression stands, as its language tells of it.
pub(crate) trait Standing: fmt::Debug + Send + Sync {
    /// Where a declared variable has no value, and what to do; `None` if it has one.
    fn lacks(&self, node: u16) -> Option<(String, String)>;

    /// Where a function cannot be called, and what to do; `None` if it can.
    fn refuses(&self, overload: &Overload) -> Option<(String, String)>;
}

/// A place where everything has a value.
#[derive(Debug)]
struct Anywhere;

impl Standing for Anywhere {
    fn lacks(&self, _: u16) -> Option<(String, String)> {
        None
    }

    fn refuses(&self, _: &Overload) -> Option<(String, String)> {
        None
    }
}

/// What is said of words that a language does not have.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    /// Names, with the variable that is meant.
    pub(crate) names: &'static [(&'static str, &'static str)],
    /// An object and a field that it does not have, with the one that is meant.
    pub(crate) fields: &'static [(&'static str, &'static str, &'static str)],
    /// Functions, with what to do.
    pub(crate) functions: &'static [(&'static str, &'static str)],
    /// Functions that are there, with their name in CEL.
    pub(crate) spellings: &'static [(&'static str, &'static str)],
    /// Warns of what is right and rarely meant.
    pub(crate) is_careful: bool,
}

static NO_HINTS: Hints = Hints { names: &[], fields: &[], functions: &[], spellings: &[], is_careful: false };

/// A language on CEL: its functions, and what is said of words that it does not have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Language {
    pub(crate) library: &'static Library,
    pub(crate) hints: &'static Hints,
}

/// What is known of the variables that earlier actions have set, where an expression stands.
pub(crate) trait SetVariables {
    /// The type of a variable, if it is set before.
    fn variable(&self, name: &str) -> Option<Type>;
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Named {
    /// A variable bound from outside by its name.
    Global(Type),
    /// A node of the tree.
    Tree(u16),
    /// A type.
    Type(Type),
}

/// A function that is declared and has no implementation: for checking only.
#[derive(Clone, Debug)]
pub(in crate::cel) struct Extra {
    pub(in crate::cel) name: Box<str>,
    pub(in crate::cel) member: bool,
    pub(in crate::cel) parameters: Vec<Type>,
    pub(in crate::cel) result: Type,
}

/// The declarations an expression is checked against.
///
/// ```
/// use policy_core::cel::{Env, Type};
/// let mut env = Env::standard();
/// env.declare("name", Type::String);
/// let (checked, found) = env.check("name.startsWith('a')");
/// assert!(found.is_empty());
/// assert_eq!(checked.expect("no errors").result(), &Type::Bool);
/// ```
#[derive(Clone, Debug)]
pub struct Env {
    container: Box<str>,
    names: HashMap<Box<str>, Named>,
    pub(in crate::cel) extras: Vec<Extra>,
    pub(in crate::cel) tree: Arc<Tree>,
    pub(in crate::cel) language: Language,
    pub(in crate::cel) standing: Arc<dyn Standing>,
}

impl Env {
    /// CEL with its standard extensions, and no variable.
    #[must_use]
    pub fn standard() -> Self {
        Self {
            container: Box::default(),
            names: HashMap::new(),
            extras: Vec::new(),
            tree: Arc::default(),
            language: Language { library: Library::standard(), hints: &NO_HINTS },
            standing: Arc::new(Anywhere),
        }
    }

    /// A language with declared variables, at a place.
    pub(crate) fn new(
        language: Language,
        tree: Arc<Tree>,
        roots: &[(&'static str, u16)],
        standing: Arc<dyn Standing>,
    ) -> Self {
        let names = roots.iter().map(|(name, node)| ((*name).into(), Named::Tree(*node))).collect();
        Self { names, tree, language, standing, ..Self::standard() }
    }

    /// Declares a variable; its name may have dots.
    pub fn declare(&mut self, name: &str, ty: Type) {
        self.names.insert(name.into(), Named::Global(ty));
    }

    /// Declares a function that can be checked and not run.
    pub fn declare_function(&mut self, name: &str, member: bool, parameters: Vec<Type>, result: Type) {
        self.extras.push(Extra { name: name.into(), member, parameters, result });
    }

    /// Sets the container: the name before whose dots other names are looked up first.
    pub fn set_container(&mut self, container: &str) {
        self.container = container.into();
    }

    /// What a dotted name stands for, the container's names before outer ones.
    pub(in crate::cel) fn lookup(&self, name: &str, absolute: bool) -> Option<(Box<str>, Named)> {
        let declared = |name: &str| {
            let named = self.names.get(name).cloned();
            let named = named.or_else(|| type_named(name).map(Named::Type));
            named.map(|named| (name.into(), named))
        };
        if !absolute {
            let mut container: &str = &self.container;
            while !container.is_empty() {
                if let Some(found) = declared(&format!("{container}.{name}")) {
                    return Some(found);
                }
                container = container.rsplit_once('.').map_or("", |(outer, _)| outer);
            }
        }
        declared(name)
    }

    /// True if a node of the tree, or something below it, has a value here.
    fn has_value(&self, index: u16) -> bool {
        // The tree is as deep as `conn.k8s.pod.metadata`.
        self.tree.node(index).is_some_and(|node| {
            node.leaf.is_some() && self.standing.lacks(index).is_none()
                || node.children.iter().any(|(_, child)| self.has_value(*child))
        })
    }

    /// The variables here that end in a name, `conn.client_ip` of `client_ip`; results of actions only if nothing else
    /// does. The two shortest of many.
    pub(in crate::cel) fn paths_to(&self, name: &str) -> Vec<&'static str> {
        let ends = |path: &str| path.rsplit_once('.').is_some_and(|(_, last)| last == name);
        let found = self.tree.by_path.iter().filter(|(path, node)| {
            path.starts_with(|c: char| c.is_ascii_lowercase()) && ends(path) && self.has_value(**node)
        });
        let (mut results, mut paths) = (Vec::new(), Vec::new());
        for (path, node) in found {
            let is_result = self.tree.node(*node).is_some_and(|node| node.result.is_some());
            if is_result { &mut results } else { &mut paths }.push(*path);
        }
        if paths.is_empty() {
            paths = results;
        }
        paths.sort_unstable_by_key(|path| (path.len(), *path));
        paths.truncate(2);
        paths
    }

    /// The names an expression may begin with.
    pub(crate) fn first_names(&self) -> impl Iterator<Item = &str> {
        let here = |named: &Named| match named {
            Named::Tree(node) => self.has_value(*node),
            _ => true,
        };
        self.names.iter().filter(move |(_, named)| here(named)).map(|(name, _)| &**name)
    }
}

/// The types that can be named as values.
fn type_named(name: &str) -> Option<Type> {
    Some(match name {
        "list" => Type::list(Type::Dyn),
        "map" => Type::map(Type::Dyn, Type::Dyn),
        "type" => Type::type_of(Type::Dyn),
        "optional_type" => Type::optional(Type::Dyn),
        // `duration` and `timestamp` name functions; as types they have their full names only.
        "duration" | "timestamp" | "dyn" => return None,
        _ => Type::from_name(name)?,
    })
}
