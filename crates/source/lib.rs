//! Where the objects of the mesh come from: a Kubernetes API, told as one stream of changes of slim, plain objects.
//!
//! The agent sees only [`Change`]; a folder of manifests can tell the same.

pub mod kubernetes;
pub mod labels;
pub mod object;

pub use object::{Kind, Object, ObjectKey};

/// One change of the source.
#[expect(clippy::large_enum_variant, reason = "nearly every change is of the largest kind")]
#[derive(Clone, Debug)]
pub enum Change {
    /// The object is there, new or changed.
    Apply(Object),
    /// The object is gone.
    Delete(Kind, ObjectKey),
    /// All objects of the kind that were there at the start have been told.
    Synced(Kind),
}
