package hearth;

import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import java.io.File;
import java.io.IOException;

/**
 * Starts AWS's runtime client, as the managed runtimes do; started ahead of need, it waits for its
 * function first. Compiled by `hearth runtime add`.
 *
 * <p>What tells it to wait is that its input is not the null device, as it always is otherwise. No
 * variable may be asked for before there is a function: Java reads them all at the first question,
 * once.
 */
public final class Entry {
    private Entry() {}

    public static void main(String[] arguments) throws Throwable {
        if (isToldToWait()) {
            Waiting.untilThereIsAFunction();
        }
        AWSLambda.main(new String[] {System.getenv("_HANDLER")});
    }

    private static boolean isToldToWait() {
        try {
            return !new File("/proc/self/fd/0").getCanonicalPath().equals("/dev/null");
        } catch (IOException e) {
            return false;
        }
    }
}
