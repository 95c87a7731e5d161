//! AWS's quotas: every bound of this crate. Sizes of documents are in characters, without the
//! white space.

/// Roles of an account.
pub(crate) const ROLES_PER_ACCOUNT: usize = 1_000;
/// Policies that an account has made.
pub(crate) const POLICIES_PER_ACCOUNT: usize = 1_500;
/// Managed policies that are attached to one role.
pub(crate) const POLICIES_PER_ROLE: usize = 10;
/// Versions that one policy has at a time.
pub(crate) const VERSIONS_PER_POLICY: usize = 5;
/// Tags of a role or a policy.
pub(crate) const TAGS: usize = 50;
/// The document that says who may assume a role.
pub(crate) const TRUST_CHARACTERS: usize = 2_048;
/// All inline policies of a role together.
pub(crate) const INLINE_CHARACTERS_PER_ROLE: usize = 10_240;
/// One version of a managed policy.
pub(crate) const POLICY_CHARACTERS: usize = 6_144;
/// A document as it is sent.
pub(crate) const DOCUMENT_CHARACTERS: usize = 131_072;
/// Items on one page of a listing, at most and if nothing is said.
pub(crate) const PAGE_ITEMS: usize = 1_000;
/// See [`PAGE_ITEMS`].
pub(crate) const PAGE_ITEMS_DEFAULT: usize = 100;
