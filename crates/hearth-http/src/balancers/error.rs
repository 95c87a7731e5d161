//! Why a load balancer, or something of it, is not made or changed.

use hearth_store::error::StoreError;

/// An operation that was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum BalancerError {
    /// There is no such load balancer.
    #[error("{0}")]
    BalancerMissing(String),
    /// There is no such listener.
    #[error("{0}")]
    ListenerMissing(String),
    /// There is no such rule.
    #[error("{0}")]
    RuleMissing(String),
    /// There is no such target group.
    #[error("{0}")]
    GroupMissing(String),
    /// There is a load balancer of this name, and it is another one.
    #[error("A load balancer with the same name '{0}' exists, but with different settings")]
    BalancerExists(String),
    /// There is a target group of this name, and it is another one.
    #[error("A target group with the same name '{0}' exists, but with different settings")]
    GroupExists(String),
    /// There is a listener at this port, and it is another one.
    #[error("A listener already exists on this port for this load balancer '{0}'")]
    ListenerExists(String),
    /// Two rules would have one priority.
    #[error("Priority '{0}' is currently in use")]
    PriorityInUse(u32),
    /// Something else uses it.
    #[error("{0}")]
    InUse(String),
    /// It must not be done.
    #[error("{0}")]
    NotPermitted(String),
    /// A target group belongs to one load balancer.
    #[error(
        "The following target groups cannot be associated with more than one load balancer: {0}"
    )]
    AssociationLimit(String),
    /// A target that cannot be, or is not there.
    #[error("{0}")]
    InvalidTarget(String),
    /// An action that cannot be.
    #[error("{0}")]
    InvalidAction(String),
    /// Settings that cannot be, or that Hearth does not honour.
    #[error("{0}")]
    InvalidConfiguration(String),
    /// A protocol that Hearth's load balancers do not speak.
    #[error("{0}")]
    UnsupportedProtocol(String),
    /// The policy of the function does not let load balancers invoke it for this target group.
    #[error(
        "elasticloadbalancing principal does not have permission to invoke {function} from target group {group}"
    )]
    AccessDenied {
        /// The function, as it was named.
        function: String,
        /// The target group.
        group: String,
    },
    /// A tag is there twice.
    #[error("Tag keys must be unique. The key '{0}' was specified more than once")]
    DuplicateTagKeys(String),
    /// A value that cannot be.
    #[error("{0}")]
    Validation(String),
    /// There are as many as there may be.
    #[error("{}", .0.text())]
    TooMany(TooMany),
    /// The store failed.
    #[error("could not keep what was given to a load balancer")]
    Store(#[source] StoreError),
}

/// Of what there are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TooMany {
    /// Load balancers of an account in a region.
    Balancers,
    /// Listeners of a load balancer.
    Listeners,
    /// Rules of a load balancer.
    Rules,
    /// Target groups of an account in a region.
    Groups,
    /// Target groups of a load balancer.
    GroupsOfBalancer,
    /// Functions in a target group.
    Targets,
    /// Actions of a rule.
    Actions,
    /// Tags.
    Tags,
}

impl TooMany {
    fn text(self) -> &'static str {
        match self {
            Self::Balancers => "The maximum number of load balancers has been reached",
            Self::Listeners => {
                "The maximum number of listeners has been reached on the load balancer"
            }
            Self::Rules => "The maximum number of rules on the load balancer has been reached",
            Self::Groups => "The maximum number of target groups has been reached",
            Self::GroupsOfBalancer => {
                "The maximum number of unique target groups per load balancer has been reached"
            }
            Self::Targets => "A target group with target type 'lambda' can have only one target",
            Self::Actions => {
                "A rule has one action of the types forward, redirect and fixed-response"
            }
            Self::Tags => "The maximum number of tags per resource has been reached",
        }
    }
}
