//! [`crate::convolution`] as operators of sessions on the processor.

use std::collections::HashMap;
use std::io::Read as _;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytemuck::cast_slice;
use ort::operator::{ComputeContext, Kernel, KernelContext, Operator, OperatorDomain};
use ort::operator::{OperatorInput, OperatorOutput};
use ort::session::builder::SessionBuilder;
use ort::value::{TensorElementType, TensorValueType};
use sha2::Sha256;

use crate::convolution::{
    BatchSize, ConvolutionLayer, DOMAIN, POINTWISE, WINOGRAD, lanes, pointwise, rewrite, winograd,
};
use crate::hash::of_reader;
use crate::onnx;

/// The operators for a session of so many threads.
pub(super) fn domain(threads: usize) -> ort::Result<OperatorDomain> {
    let domain = OperatorDomain::new(DOMAIN)?.add(Operation::<WinogradKernel>::new(threads))?;
    domain.add(Operation::<PointwiseKernel>::new(threads))
}

/// Whether ONNX Runtime knows the operators' domain. It looks the name up in a table of the process and then adds it, without a
/// lock: of two sessions made at the same time, the first ones of a process, both may find it missing, and one fails.
static KNOWN: Mutex<bool> = Mutex::new(false);

/// Makes the domain known, once in a process, by a session that is there for nothing else.
pub(super) fn announce(builder: impl FnOnce() -> ort::Result<SessionBuilder>) -> ort::Result<()> {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if !*known {
        let bytes = smallest_graph().map_err(|error| ort::Error::new(error.to_string()))?;
        builder()?.with_operators(domain(1)?)?.commit_from_memory(&bytes)?;
        *known = true;
    }
    Ok(())
}

/// One number in, and out if it is above zero.
fn smallest_graph() -> Result<Vec<u8>, onnx::GraphError> {
    let mut graph = onnx::Graph::new("smallest");
    let x = graph.input("x", onnx::Element::F32, &[1.into()]);
    let y = graph.relu("y", &x);
    graph.output(&y, onnx::Element::F32, &[1.into()]);
    graph.to_bytes()
}

/// A graph's bytes with the layers that are computed here; `None` where there are none, or the graph is not of our
/// writing, or the processor has not what it takes.
pub(super) fn rewritten(graph: &[u8]) -> Option<Vec<u8>> {
    rewrite(&onnx::Graph::from_bytes(graph).ok()?, lanes())?.to_bytes().ok()
}

/// A kernel that an operator is named and made for.
trait LayerKernel: Kernel + Sized {
    const NAME: &str;

    /// For a node of a session of so many threads.
    fn make(context: &KernelContext<'_>, threads: usize) -> ort::Result<Self>;
}

/// The operator of a kernel: X, W, B and perhaps S to Y.
struct Operation<K> {
    threads: usize,
    kernel: PhantomData<fn() -> K>,
}

impl<K: LayerKernel + 'static> Operation<K> {
    fn new(threads: usize) -> Operation<K> {
        Operation { threads, kernel: PhantomData }
    }
}

impl<K: LayerKernel + 'static> Operator for Operation<K> {
    type Kernel<'attr> = K;

    fn name(&self) -> &str {
        K::NAME
    }

    fn versions(&self) -> RangeInclusive<u32> {
        1..=1
    }

    fn inputs(&self) -> impl IntoIterator<Item = OperatorInput> {
        let float = TensorElementType::Float32;
        let required = || OperatorInput::required(float);
        [required(), required(), required(), OperatorInput::optional(float)]
    }

    fn outputs(&self) -> impl IntoIterator<Item = OperatorOutput> {
        [OperatorOutput::required(TensorElementType::Float32)]
    }

    fn create_kernel<'attr>(&self, context: &KernelContext<'attr>) -> ort::Result<K> {
        K::make(context, self.threads)
    }
}

/// One layer of a session.
struct WinogradKernel {
    filter: Arc<winograd::WinogradFilter>,
    relu: bool,
    threads: usize,
}

impl LayerKernel for WinogradKernel {
    const NAME: &str = WINOGRAD;

    fn make(context: &KernelContext<'_>, threads: usize) -> ort::Result<WinogradKernel> {
        let weights = context.constant_input::<TensorValueType<f32>>(1)?;
        let bias = context.constant_input::<TensorValueType<f32>>(2)?;
        let (shape, weights) = weights.try_extract_tensor::<f32>()?;
        let inputs = shape.get(1).and_then(|&inputs| usize::try_from(inputs).ok()).unwrap_or(0);
        let (_, bias) = bias.try_extract_tensor::<f32>()?;
        let filter = filter(weights, bias, inputs).ok_or_else(|| failed("weights of another shape"))?;
        let relu = context.get::<i64>("relu").unwrap_or(0) == 1;
        Ok(WinogradKernel { filter, relu, threads })
    }
}

impl Kernel for WinogradKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let filter = &*self.filter;
        compute(context, filter, self.relu, (filter.outputs(), |size| size), |layer, output| {
            in_parallel(context, |each| winograd::convolve(layer, output, self.threads, each))
        })
    }
}

/// One layer of a session. Its weights stay with the session.
struct PointwiseKernel {
    stride: usize,
    relu: bool,
    threads: usize,
}

impl LayerKernel for PointwiseKernel {
    const NAME: &str = POINTWISE;

    fn make(context: &KernelContext<'_>, threads: usize) -> ort::Result<PointwiseKernel> {
        let number = |name: &str| context.get::<i64>(name).unwrap_or(0);
        let stride = usize::try_from(number("stride")).unwrap_or(0);
        Ok(PointwiseKernel { stride, relu: number("relu") == 1, threads })
    }
}

impl Kernel for PointwiseKernel {
    fn compute(&mut self, context: &ComputeContext) -> ort::Result<()> {
        let [weights, bias] = [context.input(1)?, context.input(2)?].map(|value| value.ok_or_else(no_input));
        let (weights, bias) = (weights?, bias?);
        let (_, weights) = weights.try_extract_tensor::<f32>()?;
        let (_, bias) = bias.try_extract_tensor::<f32>()?;
        let filter = pointwise::PointwiseFilter::new(weights, bias, self.stride);
        let filter = filter.ok_or_else(|| failed("weights of another shape"))?;
        compute(context, &filter, self.relu, (filter.outputs(), |size| filter.size(size)), |layer, output| {
            in_parallel(context, |each| pointwise::convolve(layer, output, self.threads, each))
        })
    }
}

/// What `run` gives that is given the session's threads to share its work out to.
fn in_parallel(context: &ComputeContext, run: impl FnOnce(Each<'_>) -> bool) -> ort::Result<bool> {
    let mut outcome = Ok(());
    let agrees = run(&mut |count, work| outcome = context.par_for(count, 0, work));
    outcome.map(|()| agrees)
}

/// Calls a function once for each number below another.
type Each<'a> = &'a mut dyn FnMut(usize, &(dyn Fn(usize) + Sync));

fn no_input() -> ort::Error {
    failed("no input")
}

fn failed(what: &str) -> ort::Error {
    ort::Error::new(format!("{DOMAIN}: {what}"))
}

/// Takes X and S and makes room for Y of so many channels and of the size that `output` tells; `convolve` tells whether
/// their lengths agree with its weights.
fn compute<F>(
    context: &ComputeContext,
    filter: &F,
    relu: bool,
    (channels, output): (usize, impl Fn(BatchSize) -> BatchSize),
    convolve: impl FnOnce(&ConvolutionLayer<'_, F>, &mut [f32]) -> ort::Result<bool>,
) -> ort::Result<()> {
    let input = context.input(0)?.ok_or_else(no_input)?;
    let (shape, input) = input.try_extract_tensor::<f32>()?;
    let dims: Vec<usize> = shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect();
    let &[count, _, height, width] = dims.as_slice() else {
        return Err(failed("the input has not 4 axes"));
    };
    let added = if context.num_inputs()? > 3 { context.input(3)? } else { None };
    let added = added.as_ref().map(|added| added.try_extract_tensor::<f32>()).transpose()?;
    let size = BatchSize { count, height, width };
    let out = output(size);
    let dims = [out.count, channels, out.height, out.width].map(|dim| dim as i64);
    let mut output = context.output(0, dims)?.ok_or_else(|| failed("no output"))?;
    let (_, output) = output.try_extract_tensor_mut::<f32>()?;
    let layer = ConvolutionLayer { filter, size, input, added: added.map(|(_, added)| added), relu };
    if convolve(&layer, output)? { Ok(()) } else { Err(failed("its inputs' shapes do not agree")) }
}

/// Weights once transformed serve all layers that share them, in all sessions.
fn filter(weights: &[f32], bias: &[f32], inputs: usize) -> Option<Arc<winograd::WinogradFilter>> {
    static FILTERS: Mutex<Option<HashMap<String, Weak<winograd::WinogradFilter>>>> = Mutex::new(None);
    let size = inputs.to_le_bytes();
    let content = cast_slice(weights).chain(cast_slice(bias)).chain(size.as_slice());
    let key = of_reader::<Sha256>(content).ok()?;
    let known =
        |filters: &HashMap<String, Weak<winograd::WinogradFilter>>| filters.get(&key).and_then(Weak::upgrade);
    let lock = || FILTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(filter) = lock().as_ref().and_then(known) {
        return Some(filter);
    }
    let filter = Arc::new(winograd::WinogradFilter::new(weights, bias, inputs)?);
    let mut filters = lock();
    let filters = filters.get_or_insert_default();
    // Of sessions that are gone nothing is kept.
    filters.retain(|_, filter| filter.strong_count() > 0);
    Some(known(filters).unwrap_or_else(|| {
        filters.insert(key.clone(), Arc::downgrade(&filter));
        filter
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{ConvWindow, Dim, Element, Values};
    use crate::runtime::{Device, GraphBytes, Runtime, RuntimeOptions, SessionOptions, Value};

    const CHANNELS: usize = 256;

    /// Each output is the next input, moved one pixel to the right and down, plus its number.
    fn graph() -> Vec<u8> {
        let mut graph = onnx::Graph::new("moved");
        let dims: Vec<Dim> = vec!["n".into(), CHANNELS.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let mut weights = vec![0.0; CHANNELS * CHANNELS * 9];
        for output in 0..CHANNELS {
            weights[(output * CHANNELS + (output + 1) % CHANNELS) * 9] = 1.0;
        }
        let weights = graph.constant("weights", &[CHANNELS, CHANNELS, 3, 3], Values::F32(weights));
        let bias = (0..CHANNELS).map(|output| output as f32).collect();
        let bias = graph.constant("bias", &[CHANNELS], Values::F32(bias));
        let window = ConvWindow { kernel: 3, stride: 1, pad: 1, dilation: 1, groups: 1 };
        let moved = graph.conv("moved", &x, &weights, &bias, window);
        let sum = graph.add("sum", &x, &moved);
        let y = graph.relu("y", &sum);
        graph.output(&y, Element::F32, &dims);
        graph.to_bytes().unwrap()
    }

    /// Set where this test runs alone in a process, whose first sessions are then its own.
    const ALONE: &str = "RCNN_TEST_FIRST_SESSIONS";

    #[test]
    fn the_first_sessions_of_a_process_may_be_made_at_the_same_time() {
        if std::env::var_os(ALONE).is_none() {
            for _ in 0..40 {
                let own = "runtime::convolution::tests::the_first_sessions_of_a_process_may_be_made_at_the_same_time";
                let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
                let output = alone.args(["--exact", own]).env(ALONE, "1").output().unwrap();
                let text = String::from_utf8_lossy(&output.stdout);
                assert!(output.status.success() && text.contains("1 passed"), "{text}");
            }
            return;
        }
        let bytes = smallest_graph().unwrap();
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let options = SessionOptions { device: Device::Cpu, threads: 1, ..SessionOptions::default() };
        let together = std::sync::Barrier::new(16);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    together.wait();
                    runtime.session(GraphBytes::Memory("smallest", &bytes), &options).unwrap();
                });
            }
        });
    }

    #[test]
    fn a_session_computes_such_layers() {
        let (count, height, width) = (2, 5, 7);
        let bytes = graph();
        assert_eq!(rewritten(&bytes).is_some(), lanes() >= 8);
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let x: Vec<f32> =
            (0..count * CHANNELS * height * width).map(|i| (i * 37 % 1009) as f32 - 800.0).collect();
        for threads in [1, 2] {
            let options = SessionOptions { device: Device::Cpu, threads, ..SessionOptions::default() };
            let mut session = runtime.session(GraphBytes::Memory("moved", &bytes), &options).unwrap();
            let input = Value::from_f32(&[count, CHANNELS, height, width], x.clone()).unwrap();
            let output = session.run(&[("x", &input)], &["y"]).unwrap().remove(0);
            assert_eq!(output.shape(), [count, CHANNELS, height, width]);
            for (place, &is) in output.as_f32().unwrap().iter().enumerate() {
                let (column, row) = (place % width, place / width % height);
                let channel = place / width / height % CHANNELS;
                let next = place - channel * width * height + (channel + 1) % CHANNELS * width * height;
                let moved = if row > 0 && column > 0 { x[next - width - 1] } else { 0.0 };
                let should = (moved + channel as f32 + x[place]).max(0.0);
                assert!((is - should).abs() < 2e-3, "{place}: {is} {should}");
            }
        }
    }

    /// Each output is the next input of every second pixel, plus its number.
    #[test]
    fn a_session_computes_layers_of_1x1() {
        let (count, height, width) = (2, 5, 7);
        let mut graph = onnx::Graph::new("shrunk");
        let dims: Vec<Dim> = vec!["n".into(), CHANNELS.into(), "h".into(), "w".into()];
        let x = graph.input("x", Element::F32, &dims);
        let mut weights = vec![0.0; CHANNELS * CHANNELS];
        for output in 0..CHANNELS {
            weights[output * CHANNELS + (output + 1) % CHANNELS] = 1.0;
        }
        let weights = graph.constant("weights", &[CHANNELS, CHANNELS, 1, 1], Values::F32(weights));
        let bias = (0..CHANNELS).map(|output| output as f32).collect();
        let bias = graph.constant("bias", &[CHANNELS], Values::F32(bias));
        let window = ConvWindow { kernel: 1, stride: 2, pad: 0, dilation: 1, groups: 1 };
        let y = graph.conv("y", &x, &weights, &bias, window);
        graph.output(&y, Element::F32, &dims);
        let bytes = graph.to_bytes().unwrap();
        assert_eq!(rewritten(&bytes).is_some(), lanes() == 8);
        let runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let x: Vec<f32> = (0..count * CHANNELS * height * width).map(|i| (i * 37 % 1009) as f32).collect();
        let options = SessionOptions { device: Device::Cpu, threads: 2, ..SessionOptions::default() };
        let mut session = runtime.session(GraphBytes::Memory("shrunk", &bytes), &options).unwrap();
        let input = Value::from_f32(&[count, CHANNELS, height, width], x.clone()).unwrap();
        let output = session.run(&[("x", &input)], &["y"]).unwrap().remove(0);
        assert_eq!(output.shape(), [count, CHANNELS, 3, 4]);
        for (place, &is) in output.as_f32().unwrap().iter().enumerate() {
            let (column, row, channel) = (place % 4, place / 4 % 3, place / 12 % CHANNELS);
            let plane = place / 12 / CHANNELS * CHANNELS + (channel + 1) % CHANNELS;
            assert_eq!(is, x[(plane * height + 2 * row) * width + 2 * column] + channel as f32, "{place}");
        }
    }
}
