import com.amazonaws.services.lambda.runtime.api.client.AWSLambda;
import java.util.Collections;
import java.util.Map;

/** A function that does nothing; as a program, all of a start until the first request for work. */
public class NoOp {
    public Map<String, Object> handle(Map<String, Object> event) {
        return Collections.emptyMap();
    }

    public static void main(String[] arguments) throws Throwable {
        // Nobody answers that request.
        Thread.setDefaultUncaughtExceptionHandler((thread, failure) -> System.exit(0));
        AWSLambda.main(new String[] {"NoOp::handle"});
    }
}
