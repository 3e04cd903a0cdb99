//! Decides which run a command belongs to, and whether it is the run or one step of it.

use std::path::Path;

use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use xxhash_rust::xxh3::xxh3_128;

use super::context::Context;
use super::propagation::Inherited;

/// Which spans a wrapped command gives, and their names.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Pipeline.
    pub pipeline: String,
    /// The run's id.
    pub run_id: String,
    /// Step, where there is one.
    pub step: Option<String>,
    /// Trace of all spans.
    pub trace_id: TraceId,
    /// The run's own span. `None` where the command is one step of a run that others share.
    pub root: Option<SpanId>,
    /// The step's span.
    pub step_span: Option<SpanId>,
    /// The caller's span.
    pub parent: Option<SpanContext>,
}

/// What the user asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// `--pipeline`
    pub pipeline: Option<&'a str>,
    /// `--step`
    pub step: Option<&'a str>,
    /// `--run-id`
    pub run_id: Option<&'a str>,
    /// First word of the command.
    pub program: &'a str,
}

impl Identity {
    /// A run id from outside (the CI system, an outer `perfline run`, `--run-id`) is shared by all
    /// steps of that run: a command with `--step` then sends its step only, and the run is what its
    /// steps make of it. Without one the command is the whole run.
    #[must_use]
    pub fn choose(wish: Wish<'_>, context: &Context, inherited: &Inherited) -> Self {
        let ids = RandomIdGenerator::default();
        let program = Path::new(wish.program)
            .file_name()
            .map_or_else(|| wish.program.to_owned(), |name| name.to_string_lossy().into_owned());
        let shared_run_id = wish.run_id.map(str::to_owned).or_else(|| context.run_id.clone());
        let inside = inherited.parent.is_some() || context.ci.is_some();
        // In a pipeline that somebody else runs, a command without a name of its own is a step of it.
        let unnamed_part = inside && wish.pipeline.is_none() && context.pipeline.is_some();
        let step = wish.step.map(str::to_owned).or_else(|| {
            (unnamed_part && shared_run_id.is_some()).then(|| context.job.clone().unwrap_or_else(|| program.clone()))
        });
        let is_part = step.is_some() && shared_run_id.is_some();
        let pipeline = wish.pipeline.map(str::to_owned).or_else(|| context.pipeline.clone()).unwrap_or(program);
        let trace_id = match (&inherited.parent, &shared_run_id) {
            (Some(parent), _) => parent.trace_id(),
            (None, Some(run_id)) if is_part => shared_trace_id(&pipeline, run_id, context.repository.as_deref()),
            _ => ids.new_trace_id(),
        };
        Self {
            run_id: shared_run_id.unwrap_or_else(|| trace_id.to_string()),
            trace_id,
            root: (!is_part).then(|| ids.new_span_id()),
            step_span: step.is_some().then(|| ids.new_span_id()),
            parent: inherited.parent.clone(),
            pipeline,
            step,
        }
    }

    /// The span that the command's own spans hang under.
    #[must_use]
    pub fn innermost(&self) -> SpanContext {
        let span = self.step_span.or(self.root).unwrap_or(SpanId::INVALID);
        SpanContext::new(self.trace_id, span, TraceFlags::SAMPLED, false, self.trace_state())
    }

    /// The caller's trace state, handed on.
    #[must_use]
    pub fn trace_state(&self) -> TraceState {
        self.parent.as_ref().map_or_else(TraceState::default, |parent| parent.trace_state().clone())
    }
}

/// The steps of one CI run come from processes that know nothing of each other: the trace that they
/// share follows from what they all know.
fn shared_trace_id(pipeline: &str, run_id: &str, repository: Option<&str>) -> TraceId {
    let text = format!("{pipeline}\0{run_id}\0{}", repository.unwrap_or_default());
    // 0 is not a trace id.
    TraceId::from(xxh3_128(text.as_bytes()).max(1))
}

#[cfg(test)]
mod tests {
    use super::super::propagation::parse_traceparent;
    use super::*;

    const NOTHING: Wish<'static> = Wish { pipeline: None, step: None, run_id: None, program: "/usr/bin/make" };

    fn inside_ci() -> Context {
        Context {
            ci: Some("github"),
            pipeline: Some("ci".into()),
            run_id: Some("901".into()),
            job: Some("build".into()),
            ..Context::default()
        }
    }

    #[test]
    fn alone_a_command_is_a_run_named_after_its_program() {
        let identity = Identity::choose(NOTHING, &Context::default(), &Inherited::default());
        assert_eq!(identity.pipeline, "make");
        assert_eq!(identity.run_id, identity.trace_id.to_string());
        assert!(identity.root.is_some() && identity.step.is_none());
    }

    #[test]
    fn alone_a_step_comes_with_its_run() {
        let wish = Wish { pipeline: Some("p"), step: Some("s"), ..NOTHING };
        let identity = Identity::choose(wish, &Context::default(), &Inherited::default());
        assert!(identity.root.is_some() && identity.step_span.is_some());
        assert_eq!(Some(identity.innermost().span_id()), identity.step_span);
    }

    #[test]
    fn steps_of_one_ci_run_share_run_and_trace_and_send_no_root() {
        let choose = |step| Identity::choose(Wish { step: Some(step), ..NOTHING }, &inside_ci(), &Inherited::default());
        let (compile, test) = (choose("compile"), choose("test"));
        assert_eq!(compile.trace_id, test.trace_id);
        assert_eq!((compile.run_id.as_str(), compile.root), ("901", None));
        assert_ne!(compile.step_span, test.step_span);
    }

    #[test]
    fn in_ci_a_pipeline_of_its_own_is_a_whole_run() {
        let identity =
            Identity::choose(Wish { pipeline: Some("bench"), ..NOTHING }, &inside_ci(), &Inherited::default());
        assert_eq!((identity.pipeline.as_str(), identity.run_id.as_str()), ("bench", "901"));
        assert!(identity.root.is_some() && identity.step.is_none());
    }

    #[test]
    fn in_ci_a_command_without_names_is_the_job_as_a_step() {
        let identity = Identity::choose(NOTHING, &inside_ci(), &Inherited::default());
        assert_eq!((identity.pipeline.as_str(), identity.step.as_deref()), ("ci", Some("build")));
        assert_eq!(identity.root, None);
    }

    #[test]
    fn inside_another_run_the_command_is_a_step_under_the_callers_span() {
        let parent = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", None);
        let outer = Context { pipeline: Some("p".into()), run_id: Some("r".into()), ..Context::default() };
        let inherited = Inherited { parent: parent.clone(), baggage: None };
        let identity = Identity::choose(NOTHING, &outer, &inherited);
        assert_eq!((identity.pipeline.as_str(), identity.run_id.as_str()), ("p", "r"));
        assert_eq!((identity.step.as_deref(), identity.root), (Some("make"), None));
        assert_eq!(Some(identity.trace_id), parent.map(|p| p.trace_id()));
    }
}
