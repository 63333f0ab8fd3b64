package test.larder;

import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URL;
import java.util.ArrayList;
import java.util.List;
import org.apache.maven.plugin.Mojo;
import org.apache.maven.plugin.MojoExecutionException;
import org.apache.maven.plugin.logging.Log;

/** Does what no plugin should. What returns normally has found nothing to do harm with. */
public class Deed implements Mojo {
    private String deed;
    private Log log;

    public void setLog(Log log) {
        this.log = log;
    }

    public Log getLog() {
        return log;
    }

    public void execute() throws MojoExecutionException {
        try {
            act(deed.split("@"));
        } catch (MojoExecutionException e) {
            throw e;
        } catch (Exception e) {
            throw new MojoExecutionException("cannot " + deed, e);
        }
    }

    private void act(String[] words) throws Exception {
        switch (words[0]) {
            case "nothing":
                break;
            case "hang":
                Thread.sleep(Long.MAX_VALUE);
                break;
            case "chatter":
                while (true) {
                    System.out.println("chatter chatter chatter chatter chatter chatter chatter chatter");
                }
            case "fill":
                try (FileOutputStream out = new FileOutputStream("/build/full")) {
                    byte[] block = new byte[1 << 20];
                    while (true) {
                        out.write(block);
                    }
                } catch (IOException e) {
                    Thread.sleep(Long.MAX_VALUE);
                }
                break;
            case "fork":
                List<Process> children = new ArrayList<>(); // each waits for what is written to it
                while (true) {
                    try {
                        children.add(new ProcessBuilder("/bin/sh", "-c", "read x").start());
                    } catch (IOException | OutOfMemoryError e) {
                        Thread.sleep(10);
                    }
                }
            case "flood":
                for (int i = 0; ; i++) {
                    try {
                        ((HttpURLConnection) new URL("http://127.0.0.1/flood/" + i).openConnection()).getResponseCode();
                    } catch (IOException e) {
                        // the next one may be answered
                    }
                }
            case "phone":
                new URL("http://downloads.example/tool.zip").openStream().close();
                break;
            case "reach":
                for (int i = 1; i < words.length; i++) {
                    reach(words[i]);
                }
                break;
            case "write":
                for (int i = 1; i < words.length; i++) {
                    touch(words[i] + "/written");
                }
                for (String name : System.getenv().keySet()) {
                    if (name.startsWith("LARDER")) {
                        throw new MojoExecutionException("saw the host's " + name);
                    }
                }
                break;
            default:
                throw new MojoExecutionException("no deed " + deed);
        }
    }

    private void reach(String address) throws MojoExecutionException {
        int colon = address.lastIndexOf(':');
        try (Socket s = new Socket()) {
            s.connect(new InetSocketAddress(address.substring(0, colon), Integer.parseInt(address.substring(colon + 1))), 2000);
        } catch (Exception e) {
            return;
        }
        throw new MojoExecutionException("reached " + address);
    }

    private void touch(String name) throws MojoExecutionException {
        try (FileOutputStream out = new FileOutputStream(new File(name))) {
            out.write(1);
        } catch (IOException e) {
            return;
        }
        throw new MojoExecutionException("wrote " + name);
    }
}
