/**
 * Where sessions run: devices that fail in every way, played by a factory that stands for the runtime, and halves for
 * real.
 */
import { describe, expect, it } from 'vitest';
import { UserError } from '../../src/core/userError';
import { devicesOf, explainFailure, isOutOfMemory } from '../../src/devices/devices';
import type { Contract } from '../../src/engine/runtime/contract';
import { encodeModel, type Graph } from '../../src/engine/runtime/onnxGraph';
import { type NativeSession, type SessionFactory, Tensor } from '../../src/engine/runtime/onnxRuntime';
import { Placement } from '../../src/engine/runtime/placement';
import { Session } from '../../src/engine/runtime/sessions';
import { toFloats } from '../../src/engine/runtime/tensors';

const graph: Graph = {
  name: 'double',
  inputs: [{ name: 'x', type: 'float32', dims: ['n'] }],
  outputs: [{ name: 'y', type: 'float32', dims: ['n'] }],
  nodes: [{ op: 'Add', inputs: ['x', 'x'], outputs: ['y'] }],
};
const contract: Contract = {
  inputs: { x: { type: 'float32', rank: 1 } },
  outputs: { y: { type: 'float32', rank: 1 } },
};
const model = encodeModel(graph);
const x = () => ({ x: new Tensor('float32', Float32Array.of(1, 2.5), [2]) });

/** Messages as CUDA, DirectML and WebGPU word them. */
const FULL = [
  "Non-zero status code returned while running Conv node. Name:'Conv_3' Status Message: bfc_arena.cc:376 onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096",
  'CUDA failure 2: out of memory ; GPU=0 ; hostname=x ; expr=cudaMalloc(reinterpret_cast<void**>(&p), size)',
  'Available memory of 1048576 is smaller than requested bytes of 2097152',
  'DmlCommittedResourceAllocator.cpp(22)\\onnxruntime.dll!00007FF: Exception(3) tid(1) 8007000E Not enough memory resources are available to complete this operation.',
  'E_OUTOFMEMORY',
  'VK_ERROR_OUT_OF_DEVICE_MEMORY while creating a buffer',
  'CUDNN_STATUS_ALLOC_FAILED',
  'std::bad_alloc',
];

interface Script {
  readonly atOpening?: string;
  readonly atRun?: string;
}

/** The runtime, with a CPU that works on `y = 2 x` and a device that does what the script says. */
class FakeRuntime implements SessionFactory {
  readonly opened: string[] = [];
  released = 0;

  constructor(
    private readonly script: Script,
    private readonly cpuLoads = true,
  ) {}

  async create(_: Uint8Array, { executionProviders }: { executionProviders?: readonly unknown[] }) {
    const provider = String(executionProviders?.[0] ?? 'cpu');
    this.opened.push(provider);
    const { atOpening, atRun } = provider === 'cpu' ? ({} as Script) : this.script;
    if (atOpening !== undefined) throw new Error(atOpening);
    if (!this.cpuLoads) throw new Error('No graph was found in the protobuf.');
    const value = (name: string) => ({ name, isTensor: true as const, type: 'float32' as const, shape: ['n'] });
    return {
      inputMetadata: [value('x')],
      outputMetadata: [value('y')],
      run: async (feeds: Record<string, Tensor>) => {
        if (atRun !== undefined) throw new Error(atRun);
        const { data, dims } = toFloats(feeds.x);
        return {
          y: new Tensor(
            'float32',
            data.map((one) => one * 2),
            dims,
          ),
        };
      },
      release: async () => {
        this.released++;
      },
    } as unknown as NativeSession;
  }
}

const openOn = (factory: SessionFactory, lines: string[] = []) => {
  const placement = new Placement('cuda', { factory, warn: (note) => lines.push(note) });
  return { placement, session: placement.run(() => Session.open('Encoder "mine"', model, contract, { threads: 1 })) };
};

describe('a placement', () => {
  it('sends what is opened inside to its device, and nothing else', async () => {
    const runtime = new FakeRuntime({});
    const { placement, session } = openOn(runtime);
    const opened = await session;
    expect(runtime.opened).toEqual(['cuda']);
    expect(opened.place).toEqual({ title: 'Encoder "mine"', device: 'cuda' });
    const outside = await Session.open('m', model, contract, { threads: 1 });
    expect(outside.place.device).toBe('cpu');
    expect(placement.places).toEqual([opened.place]);
    await opened.dispose();
    await outside.dispose();
    expect(placement.places).toEqual([]);
  });

  it('lets a session name its own device', async () => {
    const runtime = new FakeRuntime({});
    const placement = new Placement('cuda', { factory: runtime });
    await placement.run(() => Session.open('m', model, contract, { threads: 1, device: 'cpu' }));
    expect(runtime.opened).toEqual(['cpu']);
  });

  it('logs device, provider and memory of each session', async () => {
    const lines: string[] = [];
    let used = 1e9;
    const placement = new Placement('cuda', {
      factory: new FakeRuntime({}),
      log: (line) => lines.push(line),
      deviceMemory: async () => (used += 5e8),
    });
    await placement.run(() => Session.open('Segmenter "s"', model, contract, { threads: 1 }));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^Segmenter "s": on CUDA \(provider cuda\), opened in \d+ ms, -?\d+ MB more in this process, 500 MB more on the device \(2000 MB in use there\)$/,
    );
  });
});

describe('a device whose memory is too small', () => {
  it.each(FULL)('is recognised: %s', (message) => {
    expect(isOutOfMemory(new Error(message))).toBe(true);
  });

  it('is not seen in other errors', () => {
    for (const other of [
      'No graph was found in the protobuf.',
      'OrtSessionOptionsAppendExecutionProvider_Cuda: Failed to load shared library',
      "Non-zero status code returned while running Reshape node. Name:'r' Status Message: the input tensor cannot be reshaped to the requested shape",
      'Got invalid dimensions for input: x',
    ]) {
      expect(isOutOfMemory(new Error(other)), other).toBe(false);
    }
  });

  it.each(FULL)('when a model is opened: the model goes to the CPU, with a message (%s)', async (atOpening) => {
    const lines: string[] = [];
    const runtime = new FakeRuntime({ atOpening });
    const session = await openOn(runtime, lines).session;
    const note = 'Encoder "mine" does not fit into the memory of the device CUDA and runs on the CPU, more slowly.';
    expect(session.place).toEqual({ title: 'Encoder "mine"', device: 'cpu', note });
    expect(lines).toEqual([note]);
    expect(toFloats((await session.run(x())).y).data).toEqual(Float32Array.of(2, 5));
  });

  it('when a model is run: the run is repeated on the CPU, where the model stays', async () => {
    const lines: string[] = [];
    const runtime = new FakeRuntime({ atRun: FULL[0]! });
    const { placement, session } = openOn(runtime, lines);
    const opened = await session;
    expect(opened.place.device).toBe('cuda');
    expect(toFloats((await opened.run(x())).y).data).toEqual(Float32Array.of(2, 5));
    expect(runtime.opened).toEqual(['cuda', 'cpu']);
    expect(runtime.released).toBe(1);
    expect(placement.places[0]).toMatchObject({ device: 'cpu', note: expect.stringContaining('does not fit') });
    expect(lines).toEqual([expect.stringContaining('does not fit')]);
    await opened.run(x());
    expect(runtime.opened).toEqual(['cuda', 'cpu']);
  });
});

describe('a device that fails otherwise', () => {
  it('is refused in one sentence, never replaced by the CPU', async () => {
    const atOpening =
      '/onnxruntime_src/onnxruntime/core/providers/webgpu/webgpu_context.cc:136 onnxruntime::webgpu::X was false. Failed to get a WebGPU adapter: No supported adapters\n';
    const error = await openOn(new FakeRuntime({ atOpening })).session.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toBe(
      'Encoder "mine": the device CUDA does not work: no graphics adapter was found: no driver for it is installed, or it may not be used from here.',
    );
    expect((error as UserError).cause).toBeInstanceOf(Error);
  });

  it('in a run: the error is passed on', async () => {
    const session = await openOn(new FakeRuntime({ atRun: 'the device was lost' })).session;
    await expect(session.run(x())).rejects.toThrow('the device was lost');
    expect(session.place.device).toBe('cuda');
  });

  it('is not blamed for a file that is no model', async () => {
    const error = await openOn(new FakeRuntime({}, false)).session.catch((thrown: unknown) => thrown);
    expect((error as UserError).message).toMatch(/^Encoder "mine": not a model that ONNX Runtime [\d.]+ can load\.$/);
  });

  it('is refused by the real runtime too, where it has no such provider or no libraries of it', async () => {
    const other = process.platform === 'win32' ? 'coreml' : 'directml';
    const placement = new Placement(other);
    const error = await placement
      .run(() => Session.open('m', model, contract, { threads: 1 }))
      .catch((thrown: unknown) => thrown);
    expect((error as UserError).message).toMatch(
      /^m: the device (DirectML|Core ML) does not work: ONNX Runtime has no .* provider on \w+-\w+\.$/,
    );
  });

  it('says what is missing, in words for a person', () => {
    expect(explainFailure('cuda', new Error('X_Cuda: Failed to load shared library'))).toContain('install-cuda');
    const dlopen =
      'Failed to load library /home/x/libonnxruntime_providers_cuda.so with error: libcudnn.so.9: cannot open shared object file: No such file or directory';
    expect(explainFailure('cuda', new Error(dlopen))).toBe(
      'a library that it needs is missing (libcudnn.so.9: cannot open shared object file: No such file or directory)',
    );
    expect(explainFailure('webgpu', new Error(`${'x'.repeat(999)}\nmore`))).toHaveLength(243);
    expect(explainFailure('webgpu', new Error(''))).toBe('the runtime gave no reason');
  });
});

describe('platforms', () => {
  it('have the devices that onnxruntime-node is built with there', () => {
    expect(devicesOf('linux', 'x64')).toEqual(['cuda', 'tensorrt', 'webgpu']);
    expect(devicesOf('linux', 'arm64')).toEqual(['webgpu']);
    expect(devicesOf('win32', 'x64')).toEqual(['directml', 'webgpu']);
    expect(devicesOf('darwin', 'arm64')).toEqual(['coreml', 'webgpu']);
    expect(devicesOf('freebsd', 'x64')).toEqual([]);
  });
});

describe('a model in half precision', () => {
  const half = encodeModel({
    ...graph,
    inputs: [{ name: 'x', type: 'float16', dims: ['n'] }],
    outputs: [{ name: 'y', type: 'float16', dims: ['n'] }],
  });

  it('takes and gives floats as its family says', async () => {
    const session = await Session.open('m', half, contract, { threads: 1 });
    const { y } = await session.run(x());
    expect(y.type).toBe('float32');
    expect(toFloats(y)).toEqual({ dims: [2], data: Float32Array.of(2, 5) });
    // 0.1 is no half: what comes back is twice the nearest one.
    const odd = await session.run({ x: new Tensor('float32', Float32Array.of(0.1, 60_000), [2]) });
    expect(Array.from(toFloats(odd.y).data)).toEqual([2 * 0.0999755859375, Number.POSITIVE_INFINITY]);
    await session.dispose();
  });

  it('may be half in one place only', async () => {
    const mixed = encodeModel({
      name: 'cast',
      inputs: [{ name: 'x', type: 'float16', dims: ['n'] }],
      outputs: [{ name: 'y', type: 'float32', dims: ['n'] }],
      nodes: [{ op: 'Cast', inputs: ['x'], outputs: ['y'], attributes: { to: 1 } }],
    });
    const session = await Session.open('m', mixed, contract, { threads: 1 });
    expect(toFloats((await session.run(x())).y).data).toEqual(Float32Array.of(1, 2.5));
    await session.dispose();
  });

  it('is taken as it is by a contract that says so', async () => {
    const halves: Contract = {
      inputs: { x: { type: 'float16', rank: 1 } },
      outputs: { y: { type: 'float16', rank: 1 } },
    };
    const session = await Session.open('m', half, halves, { threads: 1 });
    const { y } = await session.run({ x: new Tensor('float16', Uint16Array.of(0x3c00), [1]) });
    expect(y.type).toBe('float16');
    await session.dispose();
  });

  it('is no substitute for integers', async () => {
    const needed: Contract = { ...contract, inputs: { x: { type: 'int64', rank: 1 } } };
    await expect(Session.open('m', half, needed, { threads: 1 })).rejects.toThrow('should be int64 of rank 1');
  });
});
