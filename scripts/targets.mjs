/** The platforms that have a package, and what of node_modules each holds. */

export const MB = 1e6;

/** VS Code's name of a platform -> its native files, and the most that its package may weigh. */
export const TARGETS = {
  'linux-x64': { limit: 40 * MB, natives: elf('x64') },
  'linux-arm64': { limit: 48 * MB, natives: elf('arm64') },
  'win32-x64': { limit: 48 * MB, natives: pe('x64') },
  'win32-arm64': { limit: 48 * MB, natives: pe('arm64') },
  'darwin-arm64': {
    limit: 48 * MB,
    natives: [
      'onnxruntime-node/bin/napi-v*/darwin/arm64/onnxruntime_binding.node',
      'onnxruntime-node/bin/napi-v*/darwin/arm64/libonnxruntime.1.dylib',
      '@img/sharp-darwin-arm64/lib/sharp-darwin-arm64-*.node',
      '@img/sharp-libvips-darwin-arm64/lib/libvips-cpp.*.dylib',
    ],
  },
};

function elf(arch) {
  return [
    `onnxruntime-node/bin/napi-v*/linux/${arch}/onnxruntime_binding.node`,
    `onnxruntime-node/bin/napi-v*/linux/${arch}/libonnxruntime.so.1`,
    `@img/sharp-linux-${arch}/lib/sharp-linux-${arch}-*.node`,
    `@img/sharp-libvips-linux-${arch}/lib/libvips-cpp.so.*`,
  ];
}

/**
 * DirectML.dll is the one that ONNX Runtime's DirectML provider was built against; what Windows itself has may be
 * older. dxcompiler.dll and dxil.dll (9 MB packed) stay out: nothing links to them, and WebGPU falls back to Windows'
 * own compiler.
 */
function pe(arch) {
  return [
    `onnxruntime-node/bin/napi-v*/win32/${arch}/onnxruntime_binding.node`,
    `onnxruntime-node/bin/napi-v*/win32/${arch}/onnxruntime.dll`,
    `onnxruntime-node/bin/napi-v*/win32/${arch}/DirectML.dll`,
    `@img/sharp-win32-${arch}/lib/sharp-win32-${arch}-*.node`,
    `@img/sharp-win32-${arch}/lib/libvips-42.dll`,
    `@img/sharp-win32-${arch}/lib/libvips-cpp-*.dll`,
  ];
}

/** Packages that stay outside the bundles -> the packages that they load. */
export const RUNTIME = {
  'onnxruntime-node': ['onnxruntime-common'],
  sharp: ['@img/colour', 'detect-libc', 'semver'],
};
