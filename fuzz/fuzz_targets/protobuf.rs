//! Any bytes as a protobuf request: no panic; what is admitted is read to the last attribute, passes the door
//! again untouched, and is what prost can decode.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use perfline::model::Signal;
use perfline::otlp::door::{Encoding, Limits, admit, strict_signal};
use perfline::otlp::value::write_attributes_json;
use perfline::otlp::wire::{logs, metrics, traces};

fuzz_target!(|data: &[u8]| {
    let Some((selector, body)) = data.split_first() else { return };
    let signal = Signal::ALL[usize::from(selector % 3)];
    let _guess = strict_signal(body);
    let Ok(admission) = admit(signal, Encoding::Protobuf, Bytes::copy_from_slice(body), &Limits::default()) else {
        return;
    };
    let Some(accepted) = admission.accepted else { return };
    let again = admit(signal, Encoding::Protobuf, accepted.body.clone(), &Limits::default()).unwrap();
    assert!(again.refused.is_empty());
    assert_eq!(again.accepted.map(|again| again.items), Some(accepted.items));
    let (mut json, mut items) = (String::new(), 0);
    match signal {
        Signal::Traces => traces::each_span(&accepted.body, |resource, scope, span| {
            write_attributes_json(resource.attributes(), &mut json);
            write_attributes_json(scope.attributes(), &mut json);
            write_attributes_json(span.attributes(), &mut json);
            span.events().for_each(|event| write_attributes_json(event.attributes(), &mut json));
            span.links().for_each(|link| write_attributes_json(link.attributes(), &mut json));
            items += 1;
        }),
        Signal::Metrics => metrics::each_point(&accepted.body, |_, _, metric, point| {
            write_attributes_json(metric.metadata(), &mut json);
            write_attributes_json(point.attributes(), &mut json);
            point.exemplars().for_each(|exemplar| write_attributes_json(exemplar.attributes(), &mut json));
            items += 1;
        }),
        Signal::Logs => logs::each_log(&accepted.body, |_, _, log| {
            perfline::otlp::value::write_json(&log.body, &mut json);
            write_attributes_json(log.attributes(), &mut json);
            items += 1;
        }),
    }
    .unwrap();
    // A singular message that occurs twice is merged by prost and not by the views: the counts may then differ.
    assert!(items <= accepted.items);
});
