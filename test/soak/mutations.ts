/** Damaged files of every kind, read as the product reads them: `npm run soak:mutations -- --help`. */
import { parseArgs } from 'node:util';
import { soak } from './mutationRun';

const HELP = `Reads damaged files of every kind (images, masks, project files, journals, instances, manifests, models) with the
product's own readers and counts what none of them may do: end a process, take for ever, show a stack trace, take all memory.

  --inputs <n>      files to read (default: 20000)
  --first <n>       number of the first file, to read one again that was found out (default: 0)
  --seed <n>        other damage for another number (default: 1)
  --engines <n>     engine processes at the same time (default: 2)
  --only <kind>     image, mask, project, journal, instances, manifest or model; may be repeated
  --keep <folder>   write the files that were found out to this folder
  --seconds <n>     longest that a file may take (default: 10)
  --megabytes <n>   most memory that a process may take (default: 2500)
  --json            print the report as JSON
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '20000' },
      first: { type: 'string', default: '0' },
      seed: { type: 'string', default: '1' },
      engines: { type: 'string', default: '2' },
      only: { type: 'string', multiple: true },
      keep: { type: 'string' },
      seconds: { type: 'string', default: '10' },
      megabytes: { type: 'string', default: '2500' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const inputs = Number(values.inputs);
  const report = await soak({
    inputs,
    first: Number(values.first),
    seed: Number(values.seed),
    engines: Number(values.engines),
    mostMs: 1000 * Number(values.seconds),
    mostBytes: 1_000_000 * Number(values.megabytes),
    ...(values.only && { only: values.only }),
    ...(values.keep !== undefined && { keep: values.keep }),
    onProgress: (done) => {
      if (done % 1000 === 0) console.error(`${done} of ${inputs}`);
    },
  });
  if (values.json) console.log(JSON.stringify(report, null, 2));
  else {
    for (const [kind, { inputs: count, read }] of Object.entries(report.kinds)) {
      console.log(`${kind}: ${count} files, ${read} read all the same, ${count - read} refused`);
    }
    for (const { offence, kind, input, message } of report.findings) {
      console.log(`${offence}: ${kind}, input ${input} of seed ${report.seed}: ${message}`);
    }
    const count = (offence: string) => report.findings.filter((one) => one.offence === offence).length;
    console.log(
      `${count('crash')} crashes, ${count('hang')} hangs, ${count('trace')} stack traces, ${count('memory')} times too much memory in ${report.inputs} files and ${report.seconds.toFixed(0)} s.`,
    );
  }
  return report.findings.length > 0 ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(2);
  },
);
