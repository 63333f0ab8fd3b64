# fish completion for larder
function __larder_complete
    set -l words (commandline -opc) (commandline -ct)
    $words[1] __complete -- $words[2..-1] 2>/dev/null | while read -l line
        switch $line
            case ':file*'
                __fish_complete_path (commandline -ct | string replace -r '^--[^=]*=' '')
            case ':dir*'
                __fish_complete_directories (commandline -ct | string replace -r '^--[^=]*=' '')
            case '*'
                echo $line
        end
    end
end
complete -c larder -f -a '(__larder_complete)'
