//! Column builders by table, declared once: name, columns, types.

use duckdb::arrow::array::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, ListBuilder, StringBuilder, UInt8Builder,
    UInt32Builder, UInt64Builder,
};

pub(super) type U8 = UInt8Builder;
pub(super) type U32 = UInt32Builder;
pub(super) type U64 = UInt64Builder;
pub(super) type I32 = Int32Builder;
pub(super) type I64 = Int64Builder;
pub(super) type F64 = Float64Builder;
pub(super) type Flag = BooleanBuilder;
pub(super) type Text = StringBuilder;
pub(super) type U64List = ListBuilder<UInt64Builder>;
pub(super) type F64List = ListBuilder<Float64Builder>;

/// Declares a struct of builders in the order of a table's columns.
macro_rules! table {
    ($(#[$about:meta])* $name:ident { $($column:ident: $kind:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Default)]
        pub(super) struct $name {
            $(pub(super) $column: $kind),*
        }

        impl $name {
            /// Takes the rows gathered so far.
            pub(super) fn take(&mut self) -> Result<RecordBatch, StoreError> {
                let columns: Vec<(&str, ArrayRef)> = vec![
                    $((stringify!($column).trim_end_matches('_'), std::sync::Arc::new(self.$column.finish()) as ArrayRef)),*
                ];
                RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
                    .map_err(StoreError::arrow("build columns"))
            }
        }
    };
}

pub(super) use table;
