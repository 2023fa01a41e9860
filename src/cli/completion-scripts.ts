export const shellNames = ["bash", "zsh", "fish"] as const;
export type ShellName = (typeof shellNames)[number];

/** What makes a shell ask `btar __complete -- WORD…` for what may come next; the last word is the one being typed. */
export const completionScripts: Readonly<Record<ShellName, string>> = {
  bash: `# bash completion of btar
_btar() {
  local IFS=$'\\n'
  COMPREPLY=($(btar __complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _btar btar
`,
  zsh: `#compdef btar
_btar() {
  local -a found
  found=("\${(@f)$(btar __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=(\${found:#})
  if (( \${#found} )); then compadd -a found; else _files; fi
}
if [ "$funcstack[1]" = "_btar" ]; then _btar "$@"; else compdef _btar btar; fi
`,
  fish: `# fish completion of btar
function __btar_complete
  set -l words (commandline -opc) (commandline -ct)
  btar __complete -- $words[2..] 2>/dev/null
end
complete -c btar -f -a '(__btar_complete)'
`,
};
