import type { Command } from "commander";
import { exitCodes } from "../../cli/exit-codes.ts";
import { oneLine, paintState } from "../../cli/format.ts";
import { Output } from "../../cli/output.ts";
import { type Finding, severities, worstOf } from "./finding.ts";

interface DoctorOptions {
  readonly config?: string;
  readonly json?: boolean;
  readonly all?: boolean;
}

/** `btar doctor`. @param program btar itself */
export function addDoctorCommand(program: Command): void {
  const doctor = program
    .command("doctor")
    .description("check this installation, whether or not it runs, and say what to mend")
    .option("--config <file>", "configuration file (BTAR_CONFIG, else ./btar.yaml)")
    .option("--all", "also tell what is well")
    .option("--json", "print an object for programs")
    .addHelpText(
      "after",
      "\nStores are written to, read from, and left as they were; nothing else is changed. It exits with 0 when all is well,\n" +
        "with 1 when something is wrong, and with 7 when there are warnings only.",
    );
  doctor.action(async () => {
    const { config, json = false, all = false } = doctor.opts<DoctorOptions>();
    const output = new Output({ isJson: json });
    // Loaded when asked for: other commands start at once without it.
    const { diagnose } = await import("./diagnose.ts");
    const findings = await diagnose({ config }, (line) => output.note(line));
    const worst = worstOf(findings);
    const shown = [...findings]
      .filter(({ severity }) => all || severity !== "ok")
      .sort((one, other) => severities.indexOf(other.severity) - severities.indexOf(one.severity));
    output.answer({ worst, findings }, () =>
      shown.length === 0 ? `all is well: ${findings.length} checks` : shown.map(findingText).join("\n"),
    );
    if (worst === "error") process.exitCode = exitCodes.failed;
    if (worst === "warning") process.exitCode = exitCodes.warned;
  });
}

/** Sentences, which would burst a table. */
function findingText({ severity, check, about, what, fix }: Finding): string {
  const lines = [`${paintState(severity)}: ${about === "" ? check : `${check} ${about}`}`, `  ${oneLine(what)}`];
  return [...lines, ...(fix === "" ? [] : [`  mend it: ${oneLine(fix)}`])].join("\n");
}
