//! What must hold for any bytes that a client sends. The fuzzers of `fuzz/` look for bytes for which it does not;
//! the tests here replay what they kept.
#![allow(clippy::unwrap_used, reason = "a fuzzer reports what stops")]

use bytes::Bytes;

use super::door::{Encoding, Limits, admit, strict_signal};
use super::inflate::{Compression, InflateError};
use super::json::signal_of;
use super::value::{write_attributes_json, write_json};
use super::wire::{logs, metrics, oracle, traces};
use crate::model::Signal;

/// Bytes that may come out of a compressed body here.
const INFLATED_BYTES_MAX: usize = 1 << 20;
/// Values that nest deeper are not read by prost either.
const PROST_DEPTH: &str = "recursion limit reached";

/// The first byte chooses the signal, the rest is a protobuf body. What is admitted is read to its last attribute,
/// passes the door again untouched, and is read by prost as by the views.
pub fn protobuf(data: &[u8]) {
    let Some((selector, body)) = data.split_first() else { return };
    let signal = signal_at(*selector);
    let _guess = strict_signal(body);
    let limits = Limits::default();
    let Ok(admission) = admit(signal, Encoding::Protobuf, Bytes::copy_from_slice(body), &limits) else { return };
    let Some(accepted) = admission.accepted else { return };
    let again = admit(signal, Encoding::Protobuf, accepted.body.clone(), &limits).unwrap();
    assert!(again.refused.is_empty());
    let again = again.accepted.unwrap();
    assert_eq!((again.items, &again.body), (accepted.items, &accepted.body));
    // A singular message that occurs twice is merged by prost and not by the views: the counts may then differ.
    assert!(read_all(signal, &accepted.body) <= accepted.items as usize);
    match oracle::canonical(signal, &accepted.body) {
        Ok(canonical) => drop(oracle::compare(signal, &canonical)),
        Err(error) => assert!(error.to_string().contains(PROST_DEPTH), "the door admits what prost refuses: {error}"),
    }
}

/// The first byte chooses signal and leniency, the rest is OTLP/JSON. What is admitted is a protobuf request that
/// the door takes whole.
pub fn json(data: &[u8]) {
    let Some((selector, body)) = data.split_first() else { return };
    let signal = signal_at(*selector);
    let limits = Limits { lenient_enum_names: selector & 0x80 != 0, ..Limits::default() };
    let _guess = signal_of(body);
    let Ok(admission) = admit(signal, Encoding::Json, Bytes::copy_from_slice(body), &limits) else { return };
    let Some(accepted) = admission.accepted else { return };
    let again = admit(signal, Encoding::Protobuf, accepted.body.clone(), &limits).unwrap();
    assert!(again.refused.is_empty());
    assert_eq!(again.accepted.map(|again| again.items), Some(accepted.items));
    // JSON cannot say a singular message twice in a way that protobuf would merge: the views see every item.
    assert_eq!(read_all(signal, &accepted.body), accepted.items as usize);
    oracle::compare(signal, &oracle::canonical(signal, &accepted.body).unwrap());
}

/// The first byte chooses the compression, the rest is a compressed body. No more comes out than the limit, no more
/// memory is asked for than a body of that size takes, and a smaller limit changes nothing but where it stops.
pub fn inflate(data: &[u8]) {
    let Some((selector, body)) = data.split_first() else { return };
    let compression = [Compression::Gzip, Compression::Deflate, Compression::Zstd][usize::from(selector % 3)];
    let (body, mut most) = (Bytes::copy_from_slice(body), 0);
    let mut measure = |bytes| {
        most = most.max(bytes);
        true
    };
    let plain = super::inflate::inflate(compression, body.clone(), INFLATED_BYTES_MAX, &mut measure);
    assert!(most <= body.len() + 4 * INFLATED_BYTES_MAX, "asked for {most} bytes");
    let Ok(plain) = plain else { return };
    assert!(plain.len() <= INFLATED_BYTES_MAX);
    let exact = super::inflate::inflate(compression, body.clone(), plain.len(), &mut |_| true).unwrap();
    assert_eq!(exact, plain);
    if let Some(short) = plain.len().checked_sub(1) {
        let refused = super::inflate::inflate(compression, body, short, &mut |_| true);
        assert!(matches!(refused, Err(InflateError::TooLarge { .. })));
    }
}

fn signal_at(selector: u8) -> Signal {
    Signal::ALL[usize::from(selector % 3)]
}

/// Reads every item to its last attribute; returns how many there are.
fn read_all(signal: Signal, body: &[u8]) -> usize {
    let (mut json, mut items) = (String::new(), 0);
    match signal {
        Signal::Traces => traces::each_span(body, |resource, scope, span| {
            write_attributes_json(resource.attributes(), &mut json);
            write_attributes_json(scope.attributes(), &mut json);
            write_attributes_json(span.attributes(), &mut json);
            span.events().for_each(|event| write_attributes_json(event.attributes(), &mut json));
            span.links().for_each(|link| write_attributes_json(link.attributes(), &mut json));
            items += 1;
        }),
        Signal::Metrics => metrics::each_point(body, |_, _, metric, point| {
            write_attributes_json(metric.metadata(), &mut json);
            write_attributes_json(point.attributes(), &mut json);
            point.exemplars().for_each(|exemplar| write_attributes_json(exemplar.attributes(), &mut json));
            items += 1;
        }),
        Signal::Logs => logs::each_log(body, |_, _, log| {
            write_json(&log.body, &mut json);
            write_attributes_json(log.attributes(), &mut json);
            items += 1;
        }),
    }
    .unwrap();
    items
}

/// Hands everything that a fuzzer kept to its target.
#[cfg(test)]
pub(crate) fn replay(target: &str, run: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", folder.display());
    for file in files {
        // Shown where the test fails: which file it was.
        println!("{}", file.display());
        run(&std::fs::read(&file).unwrap());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_of_protobuf_bodies_holds() {
        replay("protobuf", protobuf);
    }

    /// Found by the fuzzer: a metric without points whose name is no UTF-8 hid in an admitted request, and with it the
    /// whole request could not be read when it was loaded.
    #[test]
    fn an_unreadable_block_without_items_is_cut_out() {
        let unreadable = [0x0a, 0x01, 0xff];
        let readable = [0x0a, 0x01, b'm', 0x2a, 0x0d, 0x0a, 0x0b, 0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0x00];
        let field = |tag: u8, inner: &[u8]| [&[tag, u8::try_from(inner.len()).unwrap()], inner].concat();
        let metrics = [field(0x12, &unreadable), field(0x12, &readable)].concat();
        let body = field(0x0a, &field(0x12, &metrics));
        let admission = admit(Signal::Metrics, Encoding::Protobuf, body.clone().into(), &Limits::default()).unwrap();
        let accepted = admission.accepted.unwrap();
        assert_eq!((accepted.items, admission.refused.len()), (1, 0));
        assert_eq!(read_all(Signal::Metrics, &accepted.body), 1);
        assert!(accepted.body.len() < body.len());
    }

    #[test]
    fn the_corpus_of_json_bodies_holds() {
        replay("json", json);
    }

    #[test]
    fn the_corpus_of_compressed_bodies_holds() {
        replay("inflate", inflate);
    }
}
