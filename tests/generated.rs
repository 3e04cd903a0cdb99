//! The code generated from `proto/` is what the `.proto` files say.
//! After a change there: `PERFLINE_BLESS=1 cargo test --release --test generated`.

use std::path::Path;

const COMMITTED: &str = "src/api/generated/perfline.v1.rs";
const DESCRIPTOR: &str = "src/api/generated/perfline.v1.binpb";

#[test]
fn the_generated_code_matches_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(["perfline/v1/perfline.proto"], [root.join("proto")]).unwrap();
    let descriptor_bytes = protox::prost::Message::encode_to_vec(&descriptors);
    let folder = tempfile::tempdir().unwrap();
    tonic_prost_build::configure().out_dir(folder.path()).compile_fds(descriptors).unwrap();
    let generated = std::fs::read_to_string(folder.path().join("perfline.v1.rs")).unwrap();
    if std::env::var_os("PERFLINE_BLESS").is_some() {
        std::fs::write(root.join(COMMITTED), &generated).unwrap();
        std::fs::write(root.join(DESCRIPTOR), &descriptor_bytes).unwrap();
    }
    assert!(
        std::fs::read_to_string(root.join(COMMITTED)).unwrap() == generated,
        "{COMMITTED} is stale: run with PERFLINE_BLESS=1"
    );
    assert!(
        std::fs::read(root.join(DESCRIPTOR)).unwrap() == descriptor_bytes,
        "{DESCRIPTOR} is stale: run with PERFLINE_BLESS=1"
    );
}
