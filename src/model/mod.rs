//! Plain nouns shared by every room. No I/O, no dependency on another room.

pub mod alert;
pub mod baseline;
pub mod clock;
pub mod finding;
pub mod live;
pub mod metric;
pub mod outcome;
pub mod policy;
pub mod run;
pub mod series;
pub mod severity;
pub mod shared_text;
pub mod signal;
pub mod size;
pub mod unit;

pub use alert::{AlertAction, AlertRecord, AlertState, AuditRecord};
pub use baseline::{Baseline, BaselineKind, BaselineVersion, SeriesSelector};
pub use finding::{Cause, Explanation, Finding, FindingKind, Lift, StepShare, Verdict, VerdictWord};
pub use metric::{Better, Metric};
pub use outcome::{Outcome, RunState};
pub use policy::Policy;
pub use run::{Run, Step};
pub use series::{Series, SeriesContext, SeriesKey, SeriesPoint};
pub use severity::Severity;
pub use shared_text::SharedText;
pub use signal::Signal;
pub use size::Size;
