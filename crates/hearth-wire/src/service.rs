//! The static description of a service: its operations, and where each part of a message goes.
//!
//! The generated modules fill these tables; [`crate::route`], [`crate::rest_json`] and
//! [`crate::aws_json`] read them. Nothing here has behaviour beyond a look-up.

use crate::shape::{Location, Shape};

/// One AWS service, as far as its model is compiled in.
#[derive(Debug)]
pub struct Service {
    /// What the service is called in texts.
    pub name: &'static str,
    /// What stands before the dot in `X-Amz-Target`, for a service that is not routed by path.
    pub target_prefix: Option<&'static str>,
    /// The operations, in the order of the model.
    pub operations: &'static [OperationDescription],
    /// The operations again, by the first segment of their paths.
    pub buckets: &'static [Bucket],
    /// Names of operations that the service has and this build does not describe.
    pub not_built: &'static [&'static str],
}

impl Service {
    /// The operation with this name.
    pub fn operation(&self, name: &str) -> Option<&'static OperationDescription> {
        self.operations.iter().find(|operation| operation.name == name)
    }
}

/// How one operation travels.
#[derive(Debug)]
pub struct OperationDescription {
    /// The name that AWS gives it.
    pub name: &'static str,
    /// Where it stands in [`Service::operations`].
    pub index: usize,
    /// The HTTP method.
    pub method: &'static str,
    /// The path, cut at its slashes.
    pub segments: &'static [Segment],
    /// A literal query part that the path is written with, such as `List=ALL`.
    pub query: Option<(&'static str, &'static str)>,
    /// The status of a success, unless the answer carries its own.
    pub status: u16,
    /// The shape of the input.
    pub input: &'static Shape,
    /// The members of the output that do not go into the JSON body.
    pub placed: &'static [Placed],
}

/// One segment of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Segment {
    /// Text that has to be there.
    Literal(&'static str),
    /// A place for a value, with the name that the input's member refers to.
    Label(&'static str),
}

/// A member of an output that goes somewhere else than into the JSON body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// The member's name.
    pub member: &'static str,
    /// Where it goes.
    pub location: Location,
}

/// The operations whose paths begin with the same segment.
#[derive(Debug)]
pub struct Bucket {
    /// That segment. Lambda's are dates.
    pub first: &'static str,
    /// Indices into [`Service::operations`].
    pub operations: &'static [usize],
}
