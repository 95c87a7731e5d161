//! What the services of the query protocol refuse, in their words. Their names of errors are not
//! those of the JSON services, which are in `error.rs`.

use std::error::Error;

use hearth_http::balancers::error::{BalancerError, TooMany};
use hearth_iam::IamError;
use hearth_services::topics::TopicError;
use hearth_types::errors::causes;
use hearth_types::ids::RequestId;
use hearth_wire::aws_query::{self, ErrorBody, Fault, QueryError};
use hyper::StatusCode;

use crate::body::BodyError;
use crate::front::Answer;
use crate::query;

/// An error on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    code: &'static str,
    status: u16,
    message: String,
}

impl Refusal {
    fn new((status, code): (u16, &'static str), message: impl Into<String>) -> Self {
        Self { code, status, message: message.into() }
    }

    /// A value breaks a constraint.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new((400, "ValidationError"), message)
    }

    /// A parameter has another form than its member.
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new((400, "MalformedInput"), message)
    }

    pub(crate) fn not_built(service: &str, operation: &str) -> Self {
        let message = format!("Hearth does not implement {service} {operation} yet.");
        Self::new((501, "UnsupportedOperationException"), message)
    }

    /// The service is served by somebody else.
    pub(crate) fn elsewhere(message: String) -> Self {
        Self::new((501, "UnsupportedOperationException"), message)
    }

    pub(crate) fn unknown_action(action: &str, version: &str) -> Self {
        let version = if version.is_empty() { "NO_VERSION_SPECIFIED" } else { version };
        let message = format!("Could not find operation {action} for version {version}");
        Self::new((400, "InvalidAction"), message)
    }

    pub(crate) fn draining() -> Self {
        let message = "The server is shutting down; try again when it is back.";
        Self::new((503, "ServiceUnavailable"), message)
    }

    /// The operation ended without an answer, which only a bug can do.
    pub(crate) fn broken() -> Self {
        let message = "The operation was not finished. The server's log says why.";
        Self::new((500, "InternalFailure"), message)
    }

    /// Why a body was not read.
    pub(crate) fn of_body(error: BodyError, limit: usize) -> Self {
        match error {
            BodyError::TooLarge => Self::new(
                (413, "RequestEntityTooLarge"),
                format!("Request must be smaller than {limit} bytes"),
            ),
            BodyError::Incomplete => {
                Self::new((400, "IncompleteBody"), "The request body ended before it was complete.")
            }
            BodyError::NoRoom => {
                Self::new((400, "Throttling"), "Rate exceeded. Too many large requests at a time.")
            }
        }
    }

    /// Why a body is not a request.
    pub(crate) fn of_form(error: &QueryError) -> Self {
        match error {
            QueryError::ActionMissing => {
                Self::new((400, "MissingAction"), "The request must contain the parameter Action")
            }
            QueryError::NotText
            | QueryError::TooManyParameters
            | QueryError::TooDeep { .. }
            | QueryError::Ambiguous { .. } => Self::malformed(error.to_string()),
        }
    }

    /// Ours to mend. The cause is in the server's log, not in the answer.
    fn internal((status, code): (u16, &'static str), error: &dyn Error) -> Self {
        tracing::error!(error = causes(error), "an operation failed");
        Self::new((status, code), format!("{error}. The server's log says why."))
    }

    pub(crate) fn render(&self, namespace: &str, id: RequestId) -> Answer {
        let id = id.to_string();
        let body = aws_query::error_body(&ErrorBody {
            namespace,
            code: self.code,
            message: &self.message,
            fault: if self.status < 500 { Fault::Sender } else { Fault::Receiver },
            request_id: &id,
        });
        let status = StatusCode::from_u16(self.status);
        query::xml(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
    }
}

impl From<IamError> for Refusal {
    fn from(error: IamError) -> Self {
        let kind = match error {
            IamError::Validation(_) => (400, "ValidationError"),
            IamError::InvalidInput(_) => (400, "InvalidInput"),
            IamError::MalformedDocument(_) => (400, "MalformedPolicyDocument"),
            IamError::RoleMissing(_)
            | IamError::RolePolicyMissing(_)
            | IamError::PolicyMissing(_)
            | IamError::NotAttachable(_)
            | IamError::VersionMissing { .. }
            | IamError::UserMissing(_) => (404, "NoSuchEntity"),
            IamError::RoleExists(_) | IamError::PolicyExists(_) => (409, "EntityAlreadyExists"),
            IamError::DeleteConflict(_) => (409, "DeleteConflict"),
            IamError::LimitExceeded(_) => (409, "LimitExceeded"),
            IamError::AccessDenied(_) => (403, "AccessDenied"),
            IamError::Store(_) => return Self::internal((500, "ServiceFailure"), &error),
        };
        Self::new(kind, error.to_string())
    }
}

impl From<TopicError> for Refusal {
    fn from(error: TopicError) -> Self {
        let status = match error {
            TopicError::InvalidParameter(_)
            | TopicError::InvalidParameterValue(_)
            | TopicError::Validation(_)
            | TopicError::TagLimit
            | TopicError::EmptyBatch
            | TopicError::TooManyEntries
            | TopicError::EntriesNotDistinct
            | TopicError::InvalidEntryId
            | TopicError::BatchTooLong => 400,
            TopicError::Forbidden(_)
            | TopicError::TopicLimit(_)
            | TopicError::SubscriptionLimit(_)
            | TopicError::FilterPolicyLimit(_) => 403,
            TopicError::TopicMissing
            | TopicError::SubscriptionMissing
            | TopicError::ResourceMissing => 404,
            TopicError::Store(_) | TopicError::Signing(_) => {
                return Self::internal((500, error.code()), &error);
            }
        };
        Self::new((status, error.code()), error.to_string())
    }
}

impl From<BalancerError> for Refusal {
    fn from(error: BalancerError) -> Self {
        let code = match error {
            BalancerError::BalancerMissing(_) => "LoadBalancerNotFound",
            BalancerError::ListenerMissing(_) => "ListenerNotFound",
            BalancerError::RuleMissing(_) => "RuleNotFound",
            BalancerError::GroupMissing(_) => "TargetGroupNotFound",
            BalancerError::BalancerExists(_) => "DuplicateLoadBalancerName",
            BalancerError::GroupExists(_) => "DuplicateTargetGroupName",
            BalancerError::ListenerExists(_) => "DuplicateListener",
            BalancerError::PriorityInUse(_) => "PriorityInUse",
            BalancerError::InUse(_) => "ResourceInUse",
            BalancerError::NotPermitted(_) => "OperationNotPermitted",
            BalancerError::AssociationLimit(_) => "TargetGroupAssociationLimit",
            BalancerError::InvalidTarget(_) => "InvalidTarget",
            BalancerError::InvalidAction(_) => "InvalidLoadBalancerAction",
            BalancerError::InvalidConfiguration(_) => "InvalidConfigurationRequest",
            BalancerError::UnsupportedProtocol(_) => "UnsupportedProtocol",
            BalancerError::DuplicateTagKeys(_) => "DuplicateTagKeys",
            BalancerError::Validation(_) => "ValidationError",
            BalancerError::TooMany(what) => match what {
                TooMany::Balancers => "TooManyLoadBalancers",
                TooMany::Listeners => "TooManyListeners",
                TooMany::Rules => "TooManyRules",
                TooMany::Groups => "TooManyTargetGroups",
                TooMany::GroupsOfBalancer => "TooManyUniqueTargetGroupsPerLoadBalancer",
                TooMany::Targets => "TooManyTargets",
                TooMany::Actions => "TooManyActions",
                TooMany::Tags => "TooManyTags",
            },
            BalancerError::AccessDenied { .. } => {
                return Self::new((403, "AccessDenied"), error.to_string());
            }
            BalancerError::Store(_) => return Self::internal((500, "InternalFailure"), &error),
        };
        Self::new((400, code), error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_name_and_its_status() {
        let named = || "x".to_owned();
        let version = IamError::VersionMissing { arn: named(), version: "v1".to_owned() };
        #[rustfmt::skip]
        let rows = [
            (IamError::Validation(named()),        400, "ValidationError",         "x"),
            (IamError::InvalidInput("x"),          400, "InvalidInput",            "x"),
            (IamError::MalformedDocument(named()), 400, "MalformedPolicyDocument", "x"),
            (IamError::RoleMissing(named()),       404, "NoSuchEntity",            "The role with name x cannot be found."),
            (IamError::RolePolicyMissing(named()), 404, "NoSuchEntity",            "The role policy with name x cannot be found."),
            (IamError::PolicyMissing(named()),     404, "NoSuchEntity",            "Policy x was not found."),
            (IamError::NotAttachable(named()),     404, "NoSuchEntity",            "Policy x does not exist or is not attachable."),
            (version,                              404, "NoSuchEntity",            "Policy x version v1 does not exist or is not attachable."),
            (IamError::UserMissing(named()),       404, "NoSuchEntity",            "The user with name x cannot be found."),
            (IamError::RoleExists(named()),        409, "EntityAlreadyExists",     "Role with name x already exists."),
            (IamError::PolicyExists(named()),      409, "EntityAlreadyExists",     "A policy called x already exists. Duplicate names are not allowed."),
            (IamError::DeleteConflict("x"),        409, "DeleteConflict",          "x"),
            (IamError::LimitExceeded(named()),     409, "LimitExceeded",           "x"),
            (IamError::AccessDenied(named()),      403, "AccessDenied",            "x"),
        ];
        for (error, status, code, message) in rows {
            let expected = Refusal::new((status, code), message);
            assert_eq!(Refusal::from(error), expected, "{code}");
        }
    }

    #[test]
    fn topics_are_refused_as_sns_words_it() {
        let rows = [
            (TopicError::TopicMissing, 404, "NotFound", "Topic does not exist"),
            (TopicError::Forbidden("x".to_owned()), 403, "AuthorizationError", "x"),
            (TopicError::InvalidParameterValue("x".to_owned()), 400, "ParameterValueInvalid", "x"),
        ];
        for (error, status, code, message) in rows {
            assert_eq!(Refusal::from(error), Refusal::new((status, code), message));
        }
    }

    #[test]
    fn load_balancers_are_refused_as_elb_words_it() {
        let denied =
            BalancerError::AccessDenied { function: "f".to_owned(), group: "g".to_owned() };
        let told = "elasticloadbalancing principal does not have permission to invoke f from target group g";
        #[rustfmt::skip]
        let rows = [
            (BalancerError::GroupMissing("x".to_owned()), 400, "TargetGroupNotFound", "x"),
            (BalancerError::PriorityInUse(7),             400, "PriorityInUse",       "Priority '7' is currently in use"),
            (BalancerError::TooMany(TooMany::Tags),       400, "TooManyTags",         "The maximum number of tags per resource has been reached"),
            (denied,                                      403, "AccessDenied",        told),
        ];
        for (error, status, code, message) in rows {
            assert_eq!(Refusal::from(error), Refusal::new((status, code), message));
        }
    }

    #[test]
    fn an_answer_is_xml_with_the_status() {
        let answer = Refusal::not_built("IAM", "CreateUser").render("n", RequestId::random());
        assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
        assert_eq!(answer.headers()["content-type"], "text/xml");
    }
}
