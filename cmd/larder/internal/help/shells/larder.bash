# bash completion for larder
_larder() {
    local line=${COMP_LINE:0:COMP_POINT} current= value rest
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    # bash replaces only what follows the last = or : of a word.
    local done=${current%"${current##*[=:]}"}
    COMPREPLY=()
    while IFS=$'\t' read -r value rest; do
        case $value in
        :file) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "${current#"$done"}") ;;
        :dir)  compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- "${current#"$done"}") ;;
        ?*)    COMPREPLY+=("${value#"$done"}") ;;
        esac
    done < <("$1" __complete -- "${words[@]:1}" 2>/dev/null)
}
complete -F _larder larder
