//! The bounds of HTTP and WebSocket APIs, with their reasons.

/// AWS: APIs of one account in one region.
pub const APIS_MAX: usize = 600;
/// AWS: routes of one API.
pub const ROUTES_MAX: usize = 300;
/// AWS: integrations of one API.
pub const INTEGRATIONS_MAX: usize = 300;
/// AWS: authorizers of one API.
pub const AUTHORIZERS_MAX: usize = 10;
/// AWS: stages of one API.
pub const STAGES_MAX: usize = 10;
/// Deployments of one API that were asked for. Each is a copy of its routes; AWS names no bound.
pub const DEPLOYMENTS_MAX: usize = 300;
/// AWS: variables of one stage.
pub const STAGE_VARIABLES_MAX: usize = 100;
/// AWS: the name of a stage variable.
pub const STAGE_VARIABLE_NAME_CHARACTERS_MAX: usize = 64;
/// AWS: the value of a stage variable.
pub const STAGE_VARIABLE_CHARACTERS_MAX: usize = 512;
/// AWS: audiences of one JWT authorizer.
pub const AUDIENCES_MAX: usize = 50;
/// AWS: scopes of one route.
pub const SCOPES_MAX: usize = 10;
/// AWS: tags of one API or stage.
pub const TAGS_MAX: usize = 50;
/// AWS: the shortest that an integration may be waited for.
pub const INTEGRATION_MILLIS_MIN: u32 = 50;
/// AWS: the longest that an integration of an HTTP API may be waited for, and how long it is if
/// nothing else is said.
pub const INTEGRATION_MILLIS_MAX: u32 = 30_000;
/// AWS: the same of a WebSocket API.
pub const SOCKET_INTEGRATION_MILLIS_MAX: u32 = 29_000;
/// AWS: how long the answer of an authorizer may be remembered.
pub const AUTHORIZER_TTL_SECONDS_MAX: u32 = 3_600;
/// AWS: how long it is remembered if nothing else is said.
pub const AUTHORIZER_TTL_SECONDS_DEFAULT: u32 = 300;
/// AWS: how long the function of an authorizer may take.
pub const AUTHORIZER_MILLIS_MAX: u64 = 10_000;
/// Answers of authorizers that are remembered, of all HTTP APIs together, and of all REST APIs.
pub const AUTHORIZED_MAX: usize = 10_000;
/// An answer that is remembered, as JSON: more than any has that says what a caller may. A longer one
/// is asked for again, so that the memory for all of them is bounded.
pub const AUTHORIZED_BYTES_MAX: usize = 8 * 1024;
/// AWS: a request to an API, body and all.
pub const REQUEST_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS: an answer through an API.
pub const RESPONSE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// AWS: the request line and all headers of a request to an HTTP API.
pub const HEADERS_BYTES_MAX: usize = 10_240;
/// AWS: how many requests there may be at once of a route for which only a rate is set. Twice as
/// many may come in a second for which only this is set.
pub const BURST_DEFAULT: u32 = 5_000;
/// Deployments that are kept prepared for requests. More are prepared again.
pub const SERVED_MAX: usize = 1_000;
/// Buckets of requests that are remembered, for each kind of API: one for each route or method of a
/// stage that has a bound, and one for each key and plan. With more, those that were not used for
/// longest are filled again.
pub const BUCKETS_MAX: usize = 10_000;
/// How long the description of an issuer, or its keys, may take to be fetched. AWS says so of each.
pub const KEYS_FETCH_SECONDS_MAX: u64 = 2;
/// How large such a document may be. AWS names 150,000 bytes.
pub const KEYS_BYTES_MAX: usize = 150_000;
/// AWS: how long the keys of an issuer are good for: two hours.
pub const KEYS_KEPT_MILLIS: u64 = 2 * 60 * 60 * 1_000;
/// How soon keys are fetched again because a token names one that is not among them. Otherwise
/// whoever makes up tokens could have us ask an issuer without end.
pub const KEYS_AGAIN_MILLIS: u64 = 30 * 1_000;
/// Issuers whose keys are remembered.
pub const ISSUERS_MAX: usize = 1_000;
/// How large a document may be that an API is imported from. AWS names 6 MB.
pub const DOCUMENT_BYTES_MAX: usize = 6 * 1024 * 1024;
/// What one page of a listing may have, and has if nothing else is said: all of one API's parts.
pub const LIST_ITEMS_MAX: usize = 500;

const _: () = assert!(SOCKET_INTEGRATION_MILLIS_MAX <= INTEGRATION_MILLIS_MAX);
const _: () = assert!(KEYS_AGAIN_MILLIS < KEYS_KEPT_MILLIS);
