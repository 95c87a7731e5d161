package hearth;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Has a virtual machine start, run {@link Sample} once and end, so that it keeps an archive of the
 * classes that it has loaded. Its arguments are the command. Run once, by `hearth runtime add`.
 *
 * <p>For that it is a runtime API with a single event.
 */
final class Record {
    private static final String EVENT = "{\"a\":[1,2.5,\"b\",true,null],\"c\":{\"d\":\"e\"}}";
    private static final int SECONDS_MAX = 60;
    private static final int REQUEST_BYTES_MAX = 65536;

    private Record() {}

    public static void main(String[] command) throws Exception {
        InetAddress here = InetAddress.getByName("127.0.0.1");
        try (ServerSocket listener = new ServerSocket(0, 8, here)) {
            listener.setSoTimeout(SECONDS_MAX * 1000);
            Process machine = start(command, "127.0.0.1:" + listener.getLocalPort());
            // Nobody asks any more if it ends too early.
            machine.onExit().thenRun(() -> close(listener));
            try (Socket asking = serve(listener)) {
                // It ends as it does by itself, which is when it writes its archive.
                machine.destroy();
                if (!machine.waitFor(SECONDS_MAX, TimeUnit.SECONDS)) {
                    throw new IOException("the virtual machine does not end");
                }
            } finally {
                machine.destroyForcibly();
            }
        }
    }

    private static Process start(String[] command, String address) throws IOException {
        String directory = System.getProperty("user.dir");
        ProcessBuilder builder = new ProcessBuilder(command);
        builder.redirectInput(new File("/dev/null"));
        builder.redirectOutput(ProcessBuilder.Redirect.INHERIT);
        builder.redirectError(ProcessBuilder.Redirect.INHERIT);
        // Nothing of who adds a runtime, such as options of Java.
        Map<String, String> variables = builder.environment();
        variables.clear();
        variables.put("AWS_LAMBDA_RUNTIME_API", address);
        variables.put("LAMBDA_TASK_ROOT", directory);
        variables.put("_HANDLER", "hearth.Sample::handle");
        return builder.start();
    }

    private static void close(ServerSocket listener) {
        try {
            listener.close();
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Until the event is answered and the client asks for the next one, which is left open. */
    private static Socket serve(ServerSocket listener) throws IOException {
        boolean isAnswered = false;
        while (true) {
            Socket socket = listener.accept();
            socket.setSoTimeout(SECONDS_MAX * 1000);
            String request = read(socket.getInputStream());
            String line = request.substring(0, request.indexOf("\r\n"));
            if (line.startsWith("GET ") && isAnswered) {
                return socket;
            } else if (line.startsWith("GET ")) {
                answer(socket, "200 OK", EVENT);
            } else if (line.contains("/response ")) {
                answer(socket, "202 Accepted", "");
                isAnswered = true;
            } else {
                throw new IOException("the client failed: " + request);
            }
        }
    }

    private static String read(InputStream stream) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        while (bytes.size() < REQUEST_BYTES_MAX) {
            int next = stream.read();
            if (next < 0) {
                break;
            }
            bytes.write(next);
            String text = bytes.toString(StandardCharsets.UTF_8);
            int end = text.indexOf("\r\n\r\n");
            if (end >= 0 && bytes.size() >= end + 4 + length(text.substring(0, end))) {
                return text;
            }
        }
        throw new IOException("not a request");
    }

    private static int length(String head) {
        for (String line : head.split("\r\n")) {
            String[] parts = line.split(":", 2);
            if (parts[0].equalsIgnoreCase("Content-Length")) {
                return Integer.parseInt(parts[1].trim());
            }
        }
        return 0;
    }

    private static void answer(Socket socket, String status, String body) throws IOException {
        String head =
                "HTTP/1.1 " + status + "\r\n"
                        + "Connection: close\r\n"
                        + "Content-Type: application/json\r\n"
                        + "Content-Length: " + body.length() + "\r\n"
                        + "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                        + "Lambda-Runtime-Deadline-Ms: 4102444800000\r\n"
                        + "Lambda-Runtime-Invoked-Function-Arn: "
                        + "arn:aws:lambda:us-east-1:000000000000:function:sample\r\n\r\n";
        socket.getOutputStream().write((head + body).getBytes(StandardCharsets.UTF_8));
        socket.close();
    }
}
