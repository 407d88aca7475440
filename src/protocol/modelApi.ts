/** The model process: downloads and checks of model files, away from the extension host. Types only. */

/** Names a model: an encoder and a segmenter may have the same id. */
export interface ModelName {
  readonly kind: 'encoder' | 'segmenter';
  readonly id: string;
}

/** How the network is reached; what is left out comes from the environment. */
export interface NetworkSettings {
  /** Takes the place of scheme and host in every URL of a model; a path in it comes before theirs. */
  readonly mirror?: string;
  /** Proxy for every host but those of `noProxy`; left out, HTTPS_PROXY and HTTP_PROXY count. */
  readonly proxy?: string;
  /** Value of the Proxy-Authorization header. */
  readonly proxyAuthorization?: string;
  /** Hosts reached without a proxy, besides those of NO_PROXY. */
  readonly noProxy?: readonly string[];
  /** True where no proxy is to be used, whatever the environment says. */
  readonly direct?: boolean;
  /** False accepts any certificate: the SHA-256 of the file still decides. */
  readonly strictSsl?: boolean;
  /** PEM file of certificate authorities to trust besides the usual ones. */
  readonly caFile?: string;
}

export interface DownloadProgress extends ModelName {
  /** `waiting`: another process downloads the same model. */
  readonly phase: 'waiting' | 'connecting' | 'downloading' | 'retrying' | 'checking';
  /** Bytes of the whole model that are on disk. */
  readonly received: number;
  /** Null where a size is not known yet. */
  readonly total: number | null;
  /** Null before there is anything to measure. */
  readonly bytesPerSecond: number | null;
  readonly etaSeconds: number | null;
  /** Why it tries again, or whom it waits for. */
  readonly note?: string;
}

export interface CudaProgress {
  /** What is being done, a word or two. */
  readonly step: string;
  /** Null where nothing comes from the network. */
  readonly received: number | null;
  /** Null where the size is not known. */
  readonly total: number | null;
}

/** A file whose SHA-256 nobody has published: the user decides. */
export interface UnknownFile {
  /** Name of the file. */
  readonly file: string;
  /** Where it came from: a URL, or the path of a local file. */
  readonly from: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface CheckedModel extends ModelName {
  /** A sentence; missing where every file is what it should be. */
  readonly problem?: string;
}

/** A model of the user's own. */
export interface ImportRequest extends ModelName {
  /**
   * Absolute paths: the family's ONNX graphs, then files of external data that they name, if any. Of an encoder and a
   * decoder the latter may also come first if only its file name says "decoder".
   */
  readonly paths: readonly string[];
  readonly family: string;
  readonly title?: string;
  readonly licence?: string;
  readonly inputSide?: number;
}

/** What the extension asks of the model process. */
export interface ModelApi {
  /** Downloads what is missing of a model and checks it; goes on where an earlier download stopped. */
  download(params: ModelName & { readonly network: NetworkSettings }): void;
  /** Takes local files as the files of a known model; says which are still missing. */
  importFiles(params: ModelName & { readonly paths: readonly string[] }): { readonly missing: readonly string[] };
  /** Copies a model into the home and lists it there. */
  importModel(params: ImportRequest): void;
  /** Fetches ONNX Runtime's CUDA providers into the home; gives the SHA-256 of their package. */
  installCuda(params: { readonly engineEntry: string; readonly network: NetworkSettings }): { readonly sha256: string };
  /** Reads every file of every installed model, or of one. */
  verify(params: { readonly only?: ModelName }): readonly CheckedModel[];
}

/** Calls of the model process to the extension while it works. */
export interface ModelEvents {
  progress(params: DownloadProgress): void;
  cudaProgress(params: CudaProgress): void;
  /** Whether the user accepts files that no hash is known for. */
  confirm(params: ModelName & { readonly files: readonly UnknownFile[] }): boolean;
}

/** How a model process is started. */
export interface ModelProcessConfig {
  readonly modelsDir: string;
  readonly homeDir: string;
}
