use burn::tensor::{Distribution, Tensor};

use crate::export::{Axis, Element, ExportError, OnnxExport, Recorder, Result};

fn export() -> OnnxExport {
    OnnxExport::new("wrong").input("x", Element::Float, [Axis::from(2), Axis::symbol("T", &[4, 7, 12])])
}

fn refusal(forward: impl Fn(&usize, &mut Recorder<'_>) -> Result<()>) -> ExportError {
    export().record(&0, forward).unwrap_err()
}

#[test]
fn an_operation_without_translation_is_named_with_its_place() {
    let error = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        r.output("y", (x + 1.0).cumprod(1))
    });
    assert!(matches!(error, ExportError::Unsupported { at: 1, count: 2, .. }), "{error}");
    assert!(error.to_string().contains("CumProd [2, 4] -> [2, 4]"), "{error}");
}

#[test]
fn chance_is_refused() {
    let error = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        let noise = Tensor::<2>::random([2, 1], Distribution::Default, r.device());
        r.output("y", x + noise)
    });
    assert!(error.to_string().contains("Random"), "{error}");
}

#[test]
fn a_forward_that_branches_on_a_size_is_refused() {
    let error = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        let y = if x.dims()[1] > 5 { x.exp().log() } else { x.exp() };
        r.output("y", y)
    });
    assert!(matches!(error, ExportError::Recording { .. }), "{error}");
    assert!(error.to_string().contains("branches on a size"), "{error}");
}

#[test]
fn a_number_that_changes_with_a_size_is_refused() {
    let error = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        let size = x.dims()[1] as f64;
        r.output("y", x / size)
    });
    assert!(matches!(error, ExportError::SizeDependent { .. }), "{error}");
}

#[test]
fn a_size_that_no_axis_gives_is_refused() {
    let error = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        let size = x.dims()[1];
        r.output("y", Tensor::<1>::ones([size * size], r.device()) + x.sum())
    });
    assert!(matches!(error, ExportError::SizeDependent { .. }), "{error}");
    assert!(error.to_string().contains("follows from no axis"), "{error}");
}

#[test]
fn the_border_is_checked() {
    let rank = refusal(|_, r| r.float::<3>("x").map(drop));
    assert!(rank.to_string().contains("x: expected Float of rank 2, found Float of rank 3"), "{rank}");
    let unknown = refusal(|_, r| r.float::<2>("z").map(drop));
    assert!(unknown.to_string().contains("expected one of the inputs x"), "{unknown}");
    let untaken = refusal(|_, r| r.output("y", Tensor::<1>::ones([3], r.device())));
    assert!(untaken.to_string().contains("never taken"), "{untaken}");
    let nothing = refusal(|_, r| r.float::<2>("x").map(drop));
    assert!(nothing.to_string().contains("outputs: expected at least one"), "{nothing}");
    let twice = refusal(|_, r| {
        let x = r.float::<2>("x")?;
        r.output("x", x)
    });
    assert!(twice.to_string().contains("the name of another input or output"), "{twice}");
    let sizes = OnnxExport::new("one").input("x", Element::Float, [Axis::symbol("T", &[4, 4])]);
    let error = sizes.record(&0, |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains("two sizes or more for axis T"), "{error}");
}
