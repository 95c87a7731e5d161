//! An event as patterns see it: its values that have no parts, each with its path and with the
//! elements of arrays that it is in.
//!
//! Only what some pattern asks for is kept; the rest of the event is passed over.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::Map;
use super::matcher::{Number, Scalar};

/// An event that is not JSON.
#[derive(Debug, thiserror::Error)]
#[error("the event is not JSON")]
pub struct EventError(#[source] serde_json::Error);

/// Which field of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct FieldId(pub(super) usize);

/// The paths that somebody asks for, as a tree. AWS joins the names on a path with dots and compares
/// the result, so a name with a dot in it is the same as two names.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// The first is the root.
    nodes: Vec<Node>,
    fields: usize,
}

#[derive(Debug, Default)]
struct Node {
    children: Map<Box<str>, usize>,
    field: Option<FieldId>,
}

impl Paths {
    /// The field at a path, which is known from now on.
    pub(super) fn add(&mut self, path: &str) -> FieldId {
        if self.nodes.is_empty() {
            self.nodes.push(Node::default());
        }
        let mut node = 0;
        for name in path.split('.') {
            let known = self.nodes[node].children.get(name).copied();
            node = known.unwrap_or_else(|| {
                let new = self.nodes.len();
                self.nodes.push(Node::default());
                self.nodes[node].children.insert(name.into(), new);
                new
            });
        }
        let next = FieldId(self.fields);
        let field = *self.nodes[node].field.get_or_insert(next);
        if field == next {
            self.fields += 1;
        }
        field
    }

    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.fields
    }

    fn child(&self, node: usize, name: &str) -> Option<usize> {
        let child = |node: usize, name: &str| self.nodes.get(node)?.children.get(name).copied();
        if name.contains('.') { name.split('.').try_fold(node, child) } else { child(node, name) }
    }
}

/// A value of an event.
#[derive(Debug)]
pub(super) struct Leaf<'e> {
    pub(super) field: FieldId,
    pub(super) value: Scalar<'e>,
    pub(super) place: Place,
}

/// In which elements of which arrays a value is; 0 is in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize);

/// An element of an array that has parts, within another place.
#[derive(Debug, Clone, Copy)]
struct Element {
    outer: Place,
    /// How many elements are within each other here, this one included.
    depth: usize,
    array: usize,
    index: usize,
}

/// What patterns see of an event.
#[derive(Debug)]
pub(super) struct Leaves<'e> {
    /// In the order of their fields.
    leaves: Vec<Leaf<'e>>,
    /// Those of [`Place`] 1, 2, …
    elements: Vec<Element>,
}

impl<'e> Leaves<'e> {
    /// Reads an event.
    pub(super) fn read(paths: &Paths, event: &'e [u8]) -> Result<Self, EventError> {
        let mut reader = Reader {
            paths,
            leaves: Self { leaves: Vec::new(), elements: Vec::new() },
            place: Place(0),
            arrays: 0,
        };
        let mut json = serde_json::Deserializer::from_slice(event);
        let value = At { reader: &mut reader, node: 0, element: None };
        value.deserialize(&mut json).map_err(EventError)?;
        json.end().map_err(EventError)?;
        let mut leaves = reader.leaves;
        leaves.leaves.sort_unstable_by_key(|leaf| leaf.field);
        Ok(leaves)
    }

    pub(super) fn all(&self) -> &[Leaf<'e>] {
        &self.leaves
    }

    /// The values of one field.
    pub(super) fn of(&self, field: FieldId) -> &[Leaf<'e>] {
        let start = self.leaves.partition_point(|leaf| leaf.field < field);
        let rest = &self.leaves[start..];
        &rest[..rest.partition_point(|leaf| leaf.field == field)]
    }

    /// Whether all values are in one place.
    pub(super) fn are_flat(&self) -> bool {
        self.elements.is_empty()
    }

    /// Whether two places are not in different elements of the same array.
    pub(super) fn agree(&self, one: Place, other: Place) -> bool {
        let (depth, other_depth) = (self.depth(one), self.depth(other));
        let (mut one, mut other) = (self.outward(one, other_depth), self.outward(other, depth));
        // What is in the same array is in the same place around that array, as deep as the other.
        while one != other {
            let (Some(a), Some(b)) = (self.element(one), self.element(other)) else { return true };
            if a.outer == b.outer {
                return a.array != b.array || a.index == b.index;
            }
            (one, other) = (a.outer, b.outer);
        }
        true
    }

    /// The place around a place that is in no more than so many elements.
    fn outward(&self, mut place: Place, depth: usize) -> Place {
        while let Some(element) = self.element(place).filter(|element| element.depth > depth) {
            place = element.outer;
        }
        place
    }

    fn depth(&self, place: Place) -> usize {
        self.element(place).map_or(0, |element| element.depth)
    }

    /// The innermost element that a place is in.
    fn element(&self, place: Place) -> Option<Element> {
        place.0.checked_sub(1).map(|index| self.elements[index])
    }
}

struct Reader<'p, 'e> {
    paths: &'p Paths,
    leaves: Leaves<'e>,
    place: Place,
    /// How many arrays have been begun.
    arrays: usize,
}

/// Reads one value.
struct At<'r, 'p, 'e> {
    reader: &'r mut Reader<'p, 'e>,
    node: usize,
    /// The array and the index, for an element of an array.
    element: Option<(usize, usize)>,
}

impl<'e> At<'_, '_, 'e> {
    fn keep(self, value: Scalar<'e>) {
        let Some(field) = self.reader.paths.nodes.get(self.node).and_then(|node| node.field) else {
            return;
        };
        let place = self.reader.place;
        self.reader.leaves.leaves.push(Leaf { field, value, place });
    }

    /// Goes into a value that has parts, and returns the place to go back to.
    fn enter(&mut self) -> Place {
        let outer = self.reader.place;
        if let Some((array, index)) = self.element {
            let depth = self.reader.leaves.depth(outer) + 1;
            let elements = &mut self.reader.leaves.elements;
            elements.push(Element { outer, depth, array, index });
            self.reader.place = Place(elements.len());
        }
        outer
    }
}

impl<'e> DeserializeSeed<'e> for At<'_, '_, 'e> {
    type Value = ();

    fn deserialize<D: Deserializer<'e>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'e> Visitor<'e> for At<'_, '_, 'e> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.keep(if value { Scalar::True } else { Scalar::False });
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.keep(Scalar::Null);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.keep(Scalar::number(Number::Unsigned(value)));
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.keep(Scalar::number(Number::Signed(value)));
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.keep(Scalar::number(Number::float(value)));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, value: &'e str) -> Result<(), E> {
        self.keep(Scalar::Text(Cow::Borrowed(value)));
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.keep(Scalar::Text(Cow::Owned(value.to_owned())));
        Ok(())
    }

    fn visit_map<A: MapAccess<'e>>(mut self, mut map: A) -> Result<(), A::Error> {
        let outer = self.enter();
        let Self { reader, node, .. } = self;
        while let Some(child) = map.next_key_seed(Key { paths: reader.paths, node })? {
            match child {
                Some(node) => {
                    map.next_value_seed(At { reader: &mut *reader, node, element: None })?;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        reader.place = outer;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'e>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let outer = self.enter();
        let Self { reader, node, .. } = self;
        let array = reader.arrays;
        reader.arrays += 1;
        let mut index = 0;
        loop {
            let element = At { reader: &mut *reader, node, element: Some((array, index)) };
            if elements.next_element_seed(element)?.is_none() {
                break;
            }
            index += 1;
        }
        reader.place = outer;
        Ok(())
    }
}

/// Reads a name, and finds where it leads.
struct Key<'p> {
    paths: &'p Paths,
    node: usize,
}

impl<'e> DeserializeSeed<'e> for Key<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'e>>(self, from: D) -> Result<Option<usize>, D::Error> {
        from.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.paths.child(self.node, name))
    }
}
