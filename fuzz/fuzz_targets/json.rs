//! Any bytes as OTLP/JSON: no panic, and whatever is admitted is a protobuf request that the door takes whole.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use perfline::model::Signal;
use perfline::otlp::door::{Encoding, Limits, admit};

fuzz_target!(|data: &[u8]| {
    let Some((selector, body)) = data.split_first() else { return };
    let signal = Signal::ALL[usize::from(selector % 3)];
    let limits = Limits { lenient_enum_names: selector & 0x80 != 0, ..Limits::default() };
    let _signal = perfline::otlp::json::signal_of(body);
    let Ok(admission) = admit(signal, Encoding::Json, Bytes::copy_from_slice(body), &limits) else { return };
    let Some(accepted) = admission.accepted else { return };
    let again = admit(signal, Encoding::Protobuf, accepted.body, &limits).unwrap();
    assert!(again.refused.is_empty());
    assert_eq!(again.accepted.map(|again| again.items), Some(accepted.items));
});
